"""The builtin text encoders: ordinary checkpoints whose output depends on their input."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from deepsynth_tui.builtin import tiny_bert, tiny_qwen3
from tests.builtin.test_tiny_vlm import SCRIPTS

START_AND_END = {tiny_bert: ("[CLS]", "[SEP]"), tiny_qwen3: ("", "<|endoftext|>")}
LONG_WORDS = "x" * 1000 + " " + "学" * 100 + "🦉" * 26  # WordPiece gives up after 100 bytes

both = pytest.mark.parametrize("encoder", [tiny_bert, tiny_qwen3], ids=["bert", "qwen3"])


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[ModuleType, Path]:
    folders = {encoder: tmp_path_factory.mktemp("encoder") for encoder in START_AND_END}
    for encoder, folder in folders.items():
        encoder.write(folder)
    return folders


@both
def test_transformers_loads_all_weights(
    folders: dict[ModuleType, Path], encoder: ModuleType
) -> None:
    model, loading_info = AutoModel.from_pretrained(folders[encoder], output_loading_info=True)
    assert not any(loading_info.values())
    assert 200_000 < sum(p.numel() for p in model.parameters()) < 500_000
    assert model.config.max_position_embeddings == encoder.CONTEXT


@both
@pytest.mark.parametrize(
    "text", [SCRIPTS, LONG_WORDS, "", "a ## b [un]#"], ids=["scripts", "long", "none", "marks"]
)
def test_no_byte_is_lost(folders: dict[ModuleType, Path], encoder: ModuleType, text: str) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(folders[encoder])
    start, end = START_AND_END[encoder]
    ids = tokenizer(text, verbose=False)["input_ids"]
    assert tokenizer.decode(ids) == f"{start}{text}{end}"
    assert len(ids) == len(text.encode()) + len([mark for mark in (start, end) if mark])


def test_words_are_split_as_in_bert(folders: dict[ModuleType, Path]) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(folders[tiny_bert])
    assert tokenizer.tokenize("Is it?") == ["I", "##s", "Ġ", "i", "##t", "?"]


@both
def test_the_output_depends_on_the_text(
    folders: dict[ModuleType, Path], encoder: ModuleType
) -> None:
    """With the `initializer_range` of large models, two questions give almost the same state."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folders[encoder])
    model = AutoModel.from_pretrained(folders[encoder]).eval()
    position, threshold = (0, 0.4) if encoder is tiny_bert else (-1, 0.8)

    def state(text: str) -> torch.Tensor:
        with torch.no_grad():
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, position]
        return torch.nn.functional.layer_norm(hidden, hidden.shape)

    difference = state("Is it red?") - state("Is it green?")
    assert difference.square().mean().sqrt() > threshold


@both
def test_the_seed_fixes_the_weights(
    folders: dict[ModuleType, Path], encoder: ModuleType, tmp_path: Path
) -> None:
    torch.manual_seed(99)
    encoder.write(tmp_path)
    assert torch.initial_seed() == 99

    def digest(path: Path) -> str:
        return hashlib.sha256((path / "model.safetensors").read_bytes()).hexdigest()

    assert digest(tmp_path) == digest(folders[encoder])
