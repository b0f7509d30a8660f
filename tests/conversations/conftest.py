"""Datasets as other projects lay them out, small."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets.config
import pytest
from PIL import Image

from deepsynth_tui.conversations.conversation import Conversation


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / ".cache")
    monkeypatch.setenv("DEEPSYNTH_HOME", str(tmp_path / ".home"))
    return tmp_path / ".cache"


def png(colour: str = "red") -> bytes:
    """Return an image of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, "PNG")
    return file.getvalue()


def write_images(folder: Path, *names: str) -> None:
    """Write images, each of its own colour."""
    for name, colour in zip(names, ("red", "green", "blue", "gold"), strict=False):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(colour))


def write_lines(path: Path, *rows: Any) -> Path:
    """Write JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def outline(conversation: Conversation) -> list[str]:
    """Return each turn as `role: text`, images as [image]."""
    return [f"{turn['role']}: {parts(turn['content'])}" for turn in conversation.messages]


def parts(content: Sequence[Any]) -> str:
    """Return the parts of a turn as text."""
    return "".join("[image]" if part["type"] == "image" else part["text"] for part in content)


def colours(conversation: Conversation) -> list[str]:
    """Return the colour of each image."""
    names = {(255, 0, 0): "red", (0, 128, 0): "green", (0, 0, 255): "blue", (255, 215, 0): "gold"}
    found = []
    for stored in conversation.images:
        content = stored["bytes"] or Path(stored["path"]).read_bytes()
        colour: Any = Image.open(io.BytesIO(content)).convert("RGB").getpixel((0, 0))
        found.append(names[colour])
    return found
