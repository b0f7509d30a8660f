"""What the person has not allowed stops the job; the rest is counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.dataset import draw_document
from deepsynth_tui.dataset.drawing.rendering import DrawnPage
from deepsynth_tui.dataset.errors import CharactersLost, FlawError
from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.reading.compose import Composed, compose
from deepsynth_tui.dataset.reading.sources import Document
from tests.dataset.recorder import Recorder
from tests.dataset.writing.small_datasets import config, write

FLAWED = {
    "missing_glyphs": "日本",
    "split_tokens": "a" * 200,
    "removed_characters": "a\x00b",
    "duplicates": "plain",
}


def composed(text: str) -> Composed:
    settings = config(Path("unread"))
    document = compose(Document("one", text, None), settings)
    assert isinstance(document, Composed)
    return document


def report_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", FLAWED)
def test_a_flaw_stops_is_dropped_or_is_kept(tmp_path: Path, name: str):
    source = write(tmp_path / "a.jsonl", {"first": "plain", "flawed": FLAWED[name]})
    for policy, left in (("drop", 1), ("keep", 2)):
        generate(config(source, flaws={name: policy}), tmp_path / policy, Recorder())
        report = report_of(tmp_path / policy)
        assert report["documents"] == left
        assert report[name]["first_documents"] == ["flawed"]
        assert report[name]["count"] >= 1
        assert bool(report["skipped"]) == (policy == "drop")
    with pytest.raises(FlawError, match=f"document flawed .*flaws.{name} is stop") as caught:
        generate(config(source, flaws={name: "stop"}), tmp_path / "stop", Recorder())
    assert caught.value.key == f"flaws.{name}"


def test_glyphs_over_the_edge_stop_the_job(tmp_path: Path):
    source = write(tmp_path / "a.jsonl", {"tall": "Ǟ"})
    page = {"width": 2000, "height": 600, "margin": 8, "font_size": 200}
    with pytest.raises(FlawError, match="document tall has 1 glyphs cut at the edge"):
        generate(config(source, page=page), tmp_path / "out", Recorder())


def test_empty_documents_are_dropped_or_stop_the_job(tmp_path: Path):
    source = write(tmp_path / "a.jsonl", {"first": "plain", "blank": " "})
    generate(config(source), tmp_path / "out", Recorder())
    assert report_of(tmp_path / "out")["skipped"] == {
        "empty text": {"count": 1, "first_documents": ["blank"]}
    }
    with pytest.raises(FlawError, match="document blank has empty text") as caught:
        generate(config(source, flaws={"empty": "stop"}), tmp_path / "stop", Recorder())
    assert "flaws.empty to drop" in caught.value.advice


@pytest.mark.parametrize(
    ("pages", "lost_characters", "said"),
    [
        ([(0, 4), (6, 10)], 0, "a page begins at character 6, not 4"),
        ([(0, 6), (4, 10)], 0, "a page begins at character 4, not 6"),
        ([(0, 8)], 0, "characters 8 to 10 are on no page"),
        ([], 0, "characters 0 to 10 are on no page"),
        ([(0, 10)], 2, "2 characters were laid out and not drawn"),
    ],
)
def test_a_lost_character_is_never_allowed(
    pages: list[tuple[int, int]], lost_characters: int, said: str
):
    document = composed("abcdefghij")
    ranges = [DrawnPage(b"", *one) for one in pages]
    with pytest.raises(CharactersLost, match=f"document one: {said}"):
        draw_document.check_whole(document, ranges, lost_characters)


def test_pages_that_follow_on_one_another_are_whole():
    draw_document.check_whole(
        composed("abcd  efgh\n"), [DrawnPage(b"", 0, 5), DrawnPage(b"", 5, 11)], 0
    )
