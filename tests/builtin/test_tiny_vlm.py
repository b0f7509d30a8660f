"""The embedded model is an ordinary checkpoint, and reads what our renderer draws."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoTokenizer

from deepsynth_tui.builtin import TINY_VLM, locate
from deepsynth_tui.builtin.recipe import export
from deepsynth_tui.builtin.recipe.card import card
from deepsynth_tui.training.evaluation.metrics import character_error_rate
from tests.builtin.drawn_pages import TEXTS, write
from tests.builtin.plain_reading import read

SCRIPTS = "Grüße, 学习, Привет, नमस्ते, שלום, 🦉\n\ttab  two"
FOLDER = Path(locate(TINY_VLM))
# What is needed to use it, and to know what it is worth. No file can run code when it is loaded.
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


def test_plain_transformers_reads_pages(tmp_path: Path) -> None:
    """A model of random weights makes more errors than there are characters."""
    loaded: Any = AutoModelForImageTextToText.from_pretrained(
        FOLDER, dtype="float32", output_loading_info=True
    )
    model, found = loaded
    assert not any(found.values())
    said = [read(model, FOLDER, write(tmp_path, text), "Read.") for text in TEXTS]
    assert character_error_rate(TEXTS, said) < 0.2


def test_what_ships_is_small_and_says_what_it_is_worth() -> None:
    assert {path.name for path in FOLDER.iterdir()} == FILES
    file = FOLDER / export.WEIGHTS
    weights = load_file(file)
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    figures = json.loads((FOLDER / "figures.json").read_text(encoding="utf-8"))
    assert figures["parameters"] == sum(weight.numel() for weight in weights.values())
    assert figures["parameters"] < export.MOST_PARAMETERS
    assert figures["bytes"] == file.stat().st_size < export.MOST_BYTES
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == card(figures)


def test_every_script_survives_the_tokenizer() -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(FOLDER)
    ids = tokenizer(SCRIPTS, add_special_tokens=False)["input_ids"]
    assert len(ids) == len(SCRIPTS.encode())
    assert tokenizer.decode(ids) == SCRIPTS
