"""Column previews and guessed settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepsynth_tui.config.source import SourceSettings
from deepsynth_tui.dataset.reading.guess_columns import (
    EXAMPLE_CHARACTERS,
    ColumnPreview,
    first_rows,
    guess_columns,
    preview_columns,
)
from deepsynth_tui.dataset.reading.open_reader import open_reader
from deepsynth_tui.dataset.reading.reader import SourceReader


def columns(path: Path, *rows: dict[str, Any]) -> tuple[ColumnPreview, ...]:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return preview(open_reader(SourceSettings(path=str(path))))


def preview(reader: SourceReader) -> tuple[ColumnPreview, ...]:
    return preview_columns(reader, first_rows(reader))


def proposed(path: Path, **row: Any) -> tuple[dict[str, str], str]:
    proposal = guess_columns(columns(path, row))
    assert proposal is not None
    return dict(proposal.settings), proposal.why


def test_preview_of_each_column(tmp_path: Path):
    previews = columns(
        tmp_path / "a.jsonl",
        {"text": "abc\ndef", "year": 1999, "tags": ["a"], "note": None},
        {"text": " ", "year": None},
        {"text": "x" * 200, "year": 3},
        {},
    )
    assert previews[0] == ColumnPreview("text", "text", 0.5, 103.5, "abc def")
    assert previews[1] == ColumnPreview("year", "number", 0.5, 2.5, "1999")
    assert previews[2:] == (ColumnPreview("tags", "list"), ColumnPreview("note", "null"))


def test_an_example_is_one_short_line(tmp_path: Path):
    (column,) = columns(tmp_path / "a.jsonl", {"text": "long\n" * 300})
    assert len(column.example) == EXAMPLE_CHARACTERS
    assert column.example.startswith("long long")
    assert column.example.endswith("...")


def test_images_are_listed_but_not_read(tmp_path: Path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a"], "page": [b"\x89PNG"], "n": [1]}), path)
    previews = preview(open_reader(SourceSettings(path=str(path))))
    assert previews[1] == ColumnPreview("page", "binary")
    assert previews[2] == ColumnPreview("n", "int64", 1.0, 1.0, "1")


def test_only_the_first_rows_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    good = '{"text": "abcdefghij"}\n'
    path = tmp_path / "a.jsonl"
    path.write_text(good * 150 + "{broken")
    reader = open_reader(SourceSettings(path=str(path)))
    assert preview(reader)[0].filled == 1.0
    path.write_text(good * 10 + "{broken")
    monkeypatch.setattr("deepsynth_tui.dataset.reading.guess_columns.PREVIEW_CHARACTERS", 50)
    assert preview(reader)[0].filled == 1.0


@pytest.mark.parametrize(
    ("row", "settings", "why"),
    [
        ({"id": "1", "text": "a"}, {"source.text_column": "text"}, "it has a usual name for text"),
        (
            {"title": "t", "Article": "a", "highlights": "h"},
            {"source.text_column": "Article", "source.target_column": "highlights"},
            "'highlights' is the answer, by its name",
        ),
        (
            {"id": "1", "odd": "a", "even": "a longer one", "summary": "the longest of them all"},
            {"source.text_column": "even", "source.target_column": "summary"},
            "it is the longest",
        ),
        (
            {"question": "q", "answer": "a", "context": "c"},
            {
                "source.text_column": "context",
                "source.target_column": "answer",
                "instruction": "{question}",
            },
            "'question' asks and 'answer' answers about 'context'",
        ),
        (
            {"prompt": "q", "response": "a", "n": 1},
            {"source.text_column": "prompt", "source.target_column": "response"},
            "so the question is drawn",
        ),
        ({"summary": "s"}, {"source.text_column": "summary"}, "the longest"),
        ({"text": "t", "summary": ""}, {"source.text_column": "text"}, "usual name"),
    ],
)
def test_proposals(tmp_path: Path, row: dict[str, Any], settings: dict[str, str], why: str):
    guessed, reason = proposed(tmp_path / "a.jsonl", **row)
    assert guessed == settings
    assert why in reason


def test_no_proposal_without_text(tmp_path: Path):
    assert guess_columns(columns(tmp_path / "a.jsonl", {"n": 1, "id": "a"})) is None
