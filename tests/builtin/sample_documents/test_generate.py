"""The documents of the demo: generated, one page each, with answers found on the page."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageFont

import deepsynth_tui.dataset.drawing
from deepsynth_tui.builtin import PAPERS, locate
from deepsynth_tui.builtin.sample_documents import generate
from deepsynth_tui.config.load import load_file
from deepsynth_tui.config.presets import presets_dir

SUM = re.compile(r"(\d+)[.,](\d\d)(?![\d.])")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    lines = Path(locate(PAPERS)).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_the_file_is_reproducible() -> None:
    assert Path(locate(PAPERS)) == generate.FILE
    assert generate.FILE.read_text(encoding="utf-8") == generate.jsonl()


def test_another_seed_generates_other_documents() -> None:
    ours = {document.text for document in generate.sample_documents()}
    others = {document.text for document in generate.sample_documents(seed=1)}
    assert len(ours & others) < 5
    assert len(ours) == len(others) == generate.COUNT


def test_kinds_are_balanced_and_no_answer_is_frequent(rows: list[dict[str, Any]]) -> None:
    assert Counter(row["kind"] for row in rows) == dict.fromkeys(
        ("receipt", "letter", "notice", "label"), 120
    )
    for name in ("total", "date", "from"):
        (_, count), *_ = Counter(row[name] for row in rows).most_common(1)
        assert count <= len(rows) / 20, name


def test_answers_are_in_the_text(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        sums = [f"{whole}.{cents}" for whole, cents in SUM.findall(row["text"])]
        assert row["total"] in sums
        if row["kind"] == "receipt":
            cents = [int(amount.replace(".", "")) for amount in sums]
            assert sum(cents[:-1]) == cents[-1] == int(row["total"].replace(".", ""))
        assert row["from"].lower() in row["text"].lower()
        day = date.fromisoformat(row["date"])
        assert {str(day.day), f"{day.day:02}"} & set(re.findall(r"\d+", row["text"]))
        assert str(day.year) in row["text"]


def test_no_line_is_wider_than_the_page_of_the_demo(rows: list[dict[str, Any]]) -> None:
    config: Any = load_file(presets_dir() / "demo" / "dataset.yaml").config
    page = config.page
    fonts = Path(deepsynth_tui.dataset.drawing.__file__).parent / "fonts"
    font = ImageFont.truetype(fonts / "DejaVuSans.ttf", page.font_size)
    for row in rows:
        lines = row["text"].split("\n")
        assert 3 <= len(lines) <= 6
        assert max(map(font.getlength, lines)) <= page.width - 2 * page.margin
