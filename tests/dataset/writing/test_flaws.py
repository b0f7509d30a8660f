"""The policies of `flaws`, and the check that no text is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.dataset import draw_document
from deepsynth_tui.dataset.drawing.font_files import BUNDLED_FONT
from deepsynth_tui.dataset.drawing.renderer import RenderedPage
from deepsynth_tui.dataset.errors import CharactersLost, FlawError
from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.reading.compose import ComposedDocument, compose
from deepsynth_tui.dataset.reading.sources import Document
from tests.dataset.drawing.subset_font import remap
from tests.dataset.recorder import Recorder
from tests.dataset.writing.small_datasets import config, write

FLAWED = {
    "missing_glyphs": "日本",
    "split_tokens": "a" * 200,
    "removed_characters": "a\x00b",
    "unreadable_characters": "co\xadop",
    "duplicates": "plain",
}


def composed(text: str) -> ComposedDocument:
    settings = config(Path("unread"))
    document = compose(Document("one", text, None), settings)
    assert isinstance(document, ComposedDocument)
    return document


def report_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", FLAWED)
def test_a_document_with_a_flaw_is_dropped_or_kept_or_stops_the_job(tmp_path: Path, name: str):
    source = write(tmp_path / "a.jsonl", {"first": "plain", "flawed": FLAWED[name]})
    for policy, count in (("drop", 1), ("keep", 2)):
        generate(config(source, flaws={name: policy}), tmp_path / policy, Recorder())
        report = report_of(tmp_path / policy)
        assert report["documents"] == count
        assert report[name]["first_documents"] == ["flawed"]
        assert report[name]["count"] >= 1
        assert bool(report["skipped"]) == (policy == "drop")
    with pytest.raises(FlawError, match=f"document flawed .*flaws.{name} is stop") as caught:
        generate(config(source, flaws={name: "stop"}), tmp_path / "stop", Recorder())
    assert caught.value.key == f"flaws.{name}"


def test_unreadable_characters_are_reported_by_kind(tmp_path: Path):
    source = write(tmp_path / "a.jsonl", {"plain": "plain", "hyphens": "co\xadop\xader\u200eate"})
    recorder = Recorder()
    generate(config(source), tmp_path / "kept", recorder)
    report = report_of(tmp_path / "kept")
    assert report["unreadable_characters"] == {
        "count": 3,
        "documents": 1,
        "first_documents": ["hyphens"],
        "kinds": {"soft_hyphens": 2, "bidi_marks": 1},
    }
    assert report["normalized_characters"] == {}
    (warning,) = recorder.warnings
    assert "2 soft hyphens, 1 bidi marks" in warning
    assert "in hyphens" in warning
    recorder = Recorder()
    generate(config(source, normalize=["invisible"]), tmp_path / "normalized", recorder)
    report = report_of(tmp_path / "normalized")
    assert report["unreadable_characters"]["count"] == 0
    assert report["normalized_characters"] == {"soft_hyphens": 2, "bidi_marks": 1}
    assert not recorder.warnings


def test_a_font_without_regional_forms_is_warned_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))
    droid = tmp_path / "fonts" / "DroidSansFallbackFull.ttf"
    remap(BUNDLED_FONT, droid, {"骨": "x"}, family="Droid Sans Fallback")
    source = write(tmp_path / "a.jsonl", {"plain": "plain", "bone": "骨"})
    recorder = Recorder()
    # A seed of its own: renderers are cached by their settings, with the fonts of that time.
    generate(config(source, seed=17), tmp_path / "out", recorder)
    (warning,) = recorder.warnings
    assert warning.startswith("1 documents are drawn with Droid Sans Fallback")


def test_clipped_glyphs_stop_the_job(tmp_path: Path):
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
    ("pages", "lost_characters", "message"),
    [
        ([(0, 4), (6, 10)], 0, "a page starts at character 6 instead of 4"),
        ([(0, 6), (4, 10)], 0, "a page starts at character 4 instead of 6"),
        ([(0, 8)], 0, "characters 8 to 10 are on no page"),
        ([], 0, "characters 0 to 10 are on no page"),
        ([(0, 10)], 2, "2 characters were laid out but not drawn"),
    ],
)
def test_lost_characters_are_an_error(
    pages: list[tuple[int, int]], lost_characters: int, message: str
):
    document = composed("abcdefghij")
    drawn_pages = [RenderedPage(b"", start, end) for start, end in pages]
    with pytest.raises(CharactersLost, match=f"document one: {message}"):
        draw_document.check_all_drawn(document, drawn_pages, lost_characters)


def test_adjoining_pages_show_the_whole_text():
    draw_document.check_all_drawn(
        composed("abcd  efgh\n"), [RenderedPage(b"", 0, 5), RenderedPage(b"", 5, 11)], 0
    )
