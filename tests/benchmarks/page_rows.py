"""Rows with pages full of text, and answers of a given length."""

from __future__ import annotations

import random
from pathlib import Path

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.draw_document import cached_renderer
from tests.training import small_datasets

WORDS = "the order of your parcel was sent and the total is to be paid by bank in ten days"
FONT_SIZE = 20  # pixels
CHARACTERS_OF_A_PAGE = 2000


def write(folder: Path, count: int, *, width: int, height: int, answer: int) -> Path:
    """Write a dataset of `count` rows: a page in pixels, and an answer of `answer` characters."""
    config = DatasetConfig.model_validate(
        {
            "source": {"path": "builtin:papers", "text_column": "text"},
            "page": {"width": width, "height": height, "font_size": FONT_SIZE},
        }
    )
    renderer = cached_renderer(config)
    rows = []
    for number in range(count):
        text = _text(number, CHARACTERS_OF_A_PAGE * width * height // 2**20)
        page = renderer.render(text, str(number)).pages[0]
        row = small_datasets.row(number)
        target = text[:answer]
        answered = {"role": "assistant", "content": [{"type": "text", "text": target}]}
        rows.append(
            row
            | {"images": [{"bytes": page.image, "path": None}], "text": text, "target": target}
            | {"messages": [row["messages"][0], answered], "prompted_text": text}
        )
    return small_datasets.write(folder, rows)


def _text(number: int, characters: int) -> str:
    choose = random.Random(number)
    words: list[str] = []
    known = WORDS.split()
    while characters > 0:
        words.append(choose.choice(known))
        characters -= len(words[-1]) + 1
    return " ".join(words)
