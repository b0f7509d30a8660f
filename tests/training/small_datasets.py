"""Small datasets in the format that `generate` writes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import datasets
from PIL import Image

from deepsynth_tui.conversations.dataset import row_to_conversation
from deepsynth_tui.training.data.collator import Collator
from deepsynth_tui.training.data.example import Example, ExampleBuilder, Truncation
from tests.builtin import drawn_pages

INSTRUCTION = "Say the colour."
COLOURS = ("red", "green", "blue", "white", "black", "navy", "lime", "teal", "gold", "pink")

FEATURES = datasets.Features(
    {
        "images": datasets.List(datasets.Image()),
        "messages": datasets.List(
            {
                "role": datasets.Value("string"),
                "content": datasets.List(
                    {"type": datasets.Value("string"), "text": datasets.Value("string")}
                ),
            }
        ),
        **{
            name: datasets.Value("string")
            for name in (
                "text",
                "instruction",
                "prompted_text",
                "target",
                "source_id",
                "source_hash",
            )
        },
    }
)


def row(number: int, *, side: int = 64, pages: int = 1) -> dict[str, Any]:
    """Return a row with a page of one colour; the target is its name."""
    colour = COLOURS[number % len(COLOURS)]
    file = io.BytesIO()
    page = Image.new("RGB", (side, side), colour)
    page.putpixel((0, 0), (128, 128, 128))  # so that it is not blank
    page.save(file, "PNG")
    target = f"{colour} page {number}"
    ask = [{"type": "image", "text": None}] * pages + [{"type": "text", "text": INSTRUCTION}]
    return {
        "images": [{"bytes": file.getvalue(), "path": None}] * pages,
        "messages": [
            {"role": "user", "content": ask},
            {"role": "assistant", "content": [{"type": "text", "text": target}]},
        ],
        "text": f"It is {colour}.",
        "instruction": INSTRUCTION,
        "prompted_text": f"{INSTRUCTION} It is {colour}.",
        "target": target,
        "source_id": f"doc-{number}",
        "source_hash": f"hash-{number}",
    }


def example(
    collator: Collator,
    dataset_row: dict[str, Any],
    *,
    index: int = 0,
    truncation: Truncation | None = None,
) -> Example:
    """Return a row as the example that a run with this collator trains on."""
    config = collator.config
    builder = ExampleBuilder(config.data, collator.reads_images, config.text_encoder.enabled)
    conversation = row_to_conversation(dataset_row, index)
    return builder.build(conversation, truncation)


def paper(number: int, text: str, target: str) -> dict[str, Any]:
    """Return a row with a printed page, which the builtin model can read."""
    page = {"bytes": drawn_pages.png(text), "path": None}
    changed = {"images": [page], "text": text, "prompted_text": text, "target": target}
    return row(number) | changed


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as one Parquet shard of the train split."""
    (folder / "data").mkdir(parents=True)
    dataset = datasets.Dataset.from_list(rows, features=FEATURES)
    dataset.to_parquet(folder / "data" / "train-00000-of-00001.parquet")
    return folder
