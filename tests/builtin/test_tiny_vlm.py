"""The embedded model is an ordinary checkpoint: made once, whole, the same every time."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from deepsynth_tui.builtin import TINY_VLM, locate, tiny_vlm

SCRIPTS = "Grüße, 学习, Привет, नमस्ते, שלום, 🦉\n\ttab  two"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPSYNTH_HOME", str(tmp_path_factory.mktemp("home")))
        return Path(locate(TINY_VLM))


def test_plain_transformers_loads_and_generates(folder: Path) -> None:
    model: Any = AutoModelForImageTextToText.from_pretrained(folder)
    processor = AutoProcessor.from_pretrained(folder)

    assert 1_000_000 < sum(p.numel() for p in model.parameters()) < 5_000_000
    ask = [{"type": "image"}, {"type": "text", "text": "Read."}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": ask}], add_generation_prompt=True, tokenize=False
    )
    page = Image.new("RGB", (300, 200), "white")
    inputs = processor(text=[text], images=[[page]], return_tensors="pt")
    count = int((inputs["input_ids"] == model.config.image_token_id).sum())
    assert count == tiny_vlm.IMAGE_TOKENS
    ids = model.generate(**inputs, max_new_tokens=3, min_new_tokens=3)
    assert ids.shape[1] == inputs["input_ids"].shape[1] + 3


def test_every_script_survives_the_tokenizer(folder: Path) -> None:
    tokenizer = AutoProcessor.from_pretrained(folder).tokenizer
    ids = tokenizer(SCRIPTS, add_special_tokens=False)["input_ids"]
    assert len(ids) == len(SCRIPTS.encode())
    assert tokenizer.decode(ids) == SCRIPTS


def test_seed_decides_the_weights(folder: Path, tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    torch.manual_seed(99)
    tiny_vlm.write(tmp_path)
    assert torch.initial_seed() == 99
    torch.random.set_rng_state(before)

    def digest(path: Path) -> str:
        return hashlib.sha256((path / "model.safetensors").read_bytes()).hexdigest()

    assert digest(tmp_path) == digest(folder)
