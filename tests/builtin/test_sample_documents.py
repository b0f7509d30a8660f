"""The papers of the demo: written by code, one page each, with answers that are on the page."""

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
def papers() -> list[dict[str, Any]]:
    lines = Path(locate(PAPERS)).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_the_code_writes_the_file_again() -> None:
    assert Path(locate(PAPERS)) == generate.FILE
    assert generate.FILE.read_text(encoding="utf-8") == generate.jsonl()


def test_another_seed_writes_other_papers() -> None:
    ours = {paper.text for paper in generate.papers()}
    others = {paper.text for paper in generate.papers(seed=1)}
    assert len(ours & others) < 5
    assert len(ours) == len(others) == generate.COUNT


def test_every_kind_has_its_share_and_no_answer_is_usual(papers: list[dict[str, Any]]) -> None:
    assert Counter(paper["kind"] for paper in papers) == dict.fromkeys(
        ("receipt", "letter", "notice", "label"), 120
    )
    for name in ("total", "date", "from"):
        (_, often), *_ = Counter(paper[name] for paper in papers).most_common(1)
        assert often <= len(papers) / 20, name


def test_answers_are_those_of_the_text(papers: list[dict[str, Any]]) -> None:
    for paper in papers:
        sums = [f"{whole}.{cents}" for whole, cents in SUM.findall(paper["text"])]
        assert paper["total"] in sums
        if paper["kind"] == "receipt":
            cents = [int(one.replace(".", "")) for one in sums]
            assert sum(cents[:-1]) == cents[-1] == int(paper["total"].replace(".", ""))
        assert paper["from"].lower() in paper["text"].lower()
        day = date.fromisoformat(paper["date"])
        assert {str(day.day), f"{day.day:02}"} & set(re.findall(r"\d+", paper["text"]))
        assert str(day.year) in paper["text"]


def test_no_line_is_wider_than_the_page_of_the_demo(papers: list[dict[str, Any]]) -> None:
    page: Any = load_file(presets_dir() / "demo" / "dataset.yaml").config
    fonts = Path(deepsynth_tui.dataset.drawing.__file__).parent / "fonts"
    font = ImageFont.truetype(fonts / "DejaVuSans.ttf", page.page.font_size)
    for paper in papers:
        lines = paper["text"].split("\n")
        assert 3 <= len(lines) <= 6
        assert max(map(font.getlength, lines)) <= page.page.width - 2 * page.page.margin
