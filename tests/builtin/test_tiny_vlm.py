"""The builtin model: an ordinary checkpoint that reads the pages DeepSynth draws."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoTokenizer

from deepsynth_tui.builtin import TINY_VLM, locate
from deepsynth_tui.builtin.recipe import export
from deepsynth_tui.builtin.recipe.card import model_card
from deepsynth_tui.training.evaluation.metrics import character_error_rate
from tests.builtin.drawn_pages import TEXTS, write
from tests.builtin.plain_reading import read

SCRIPTS = "Grüße, 学习, Привет, नमस्ते, שלום, 🦉\n\ttab  two"
FOLDER = Path(locate(TINY_VLM))
# No file that can run code when it is loaded.
FILES = {
    "README.md",
    "chat_template.jinja",
    "config.json",
    "figures.json",
    "generation_config.json",
    "model.safetensors",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
}


def test_transformers_reads_pages(tmp_path: Path) -> None:
    """With random weights the error rate is above 1."""
    loaded: Any = AutoModelForImageTextToText.from_pretrained(
        FOLDER, dtype="float32", output_loading_info=True
    )
    model, loading_info = loaded
    assert not any(loading_info.values())
    answers = [read(model, FOLDER, write(tmp_path, text), "Read.") for text in TEXTS]
    assert character_error_rate(TEXTS, answers) < 0.2


def test_the_shipped_files_match_the_figures() -> None:
    assert {path.name for path in FOLDER.iterdir()} == FILES
    file = FOLDER / export.WEIGHTS
    weights = load_file(file)
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    figures = json.loads((FOLDER / "figures.json").read_text(encoding="utf-8"))
    assert figures["parameters"] == sum(weight.numel() for weight in weights.values())
    assert figures["parameters"] < export.MAX_PARAMETERS
    assert figures["bytes"] == file.stat().st_size < export.MAX_BYTES
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == model_card(figures)


def test_the_tokenizer_preserves_every_script() -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(FOLDER)
    ids = tokenizer(SCRIPTS, add_special_tokens=False)["input_ids"]
    assert len(ids) == len(SCRIPTS.encode())
    assert tokenizer.decode(ids) == SCRIPTS
