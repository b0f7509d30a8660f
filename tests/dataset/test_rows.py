"""Rows that are documents, pages or parts, with questions, a system prompt and boxes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.load import check_values
from deepsynth_tui.dataset.draw_document import DrawnDocument, cached_renderer, draw_document
from deepsynth_tui.dataset.errors import SourceError
from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.preview import PreviewPage, document_pages
from deepsynth_tui.dataset.reading.compose import Skipped
from deepsynth_tui.dataset.reading.sources import Document
from deepsynth_tui.dataset.writing.schema import to_row
from deepsynth_tui.dataset.writing.tally import LONG_ROW_IMAGES
from tests.dataset.recorder import Recorder
from tests.dataset.writing.small_datasets import files, numbered, write

PAGE: dict[str, Any] = {"preset": "tiny", "font_size": 24, "boxes": "words"}
TEXT = "\n\n".join(
    f"  Paragraph {n}. " + "The tide had left a line of foam. " * 7 for n in range(9)
)


def config(**changes: Any) -> DatasetConfig:
    return DatasetConfig.model_validate({"page": PAGE, **changes})


def draw(text: str, **changes: Any) -> DrawnDocument:
    settings = config(**changes)
    drawn = draw_document(Document("one", text, None), settings, cached_renderer(settings))
    assert isinstance(drawn, DrawnDocument)
    return drawn


def words_on(row: Any) -> list[str]:
    return [word for page in row.pages for word in page.words.texts]


def test_a_row_is_a_page_with_its_own_text():
    whole, pages = draw(TEXT), draw(TEXT, rows="page")
    (document,) = whole.rows
    assert len(pages.rows) == len(document.pages) > 2
    assert [row.pages[0].image for row in pages.rows] == [page.image for page in document.pages]
    assert [row.first_page for row in pages.rows] == [*range(1, len(pages.rows) + 1)]
    for row in pages.rows:
        assert row.text == row.target == row.prompted_text
        assert words_on(row) == row.text.split()
        assert row.text == row.text.rstrip()
        assert row.text[0] != "\n"
    assert " ".join(row.text for row in pages.rows).split() == TEXT.split()
    first, second = (to_row(pages, row)["images"][0]["path"] for row in pages.rows[:2])
    assert (first[-6:], second[-6:]) == ("-1.png", "-2.png")


@pytest.mark.parametrize("place", ["page", "message"])
def test_the_instruction_is_not_part_of_the_text_of_a_page(place: str):
    drawn = draw(TEXT, rows="page", instruction="Read this.", instruction_in=place)
    assert " ".join(row.text for row in drawn.rows).split() == TEXT.split()
    first, second = drawn.rows[:2]
    assert first.prompted_text == f"Read this.\n\n{first.text}"
    if place == "page":
        assert words_on(first) == ["Read", "this.", *first.text.split()]
        assert second.prompted_text == second.text
    else:
        assert words_on(first) == first.text.split()
        assert second.prompted_text == f"Read this.\n\n{second.text}"
    for row in drawn.rows:
        assert to_row(drawn, row)["messages"][0]["content"][-1]["text"] == "Read this."


def test_pages_with_the_instruction_alone_go_with_the_first_text():
    drawn = draw("A short text.", rows="page", instruction="Read. " * 300)
    (row,) = drawn.rows
    assert len(row.pages) > 1
    assert row.text == "A short text."


def test_a_row_is_a_part_of_the_text_on_its_own_pages():
    drawn = draw(TEXT, rows={"characters": 520}, instruction="Read.")
    assert len(drawn.rows) == 5
    assert all(len(row.text) <= 520 for row in drawn.rows)
    assert " ".join(row.text for row in drawn.rows).split() == TEXT.split()
    before = [sum(len(row.pages) for row in drawn.rows[:number]) for number in range(5)]
    assert [row.first_page - 1 for row in drawn.rows] == before
    for row in drawn.rows:
        assert row.text == row.target
        assert words_on(row) == ["Read.", *row.text.split()]
    previewed = list(document_pages(Document("one", TEXT, None), config(rows={"characters": 520})))
    plain = draw(TEXT, rows={"characters": 520})
    pages = [page.image for row in plain.rows for page in row.pages]
    assert [page.image for page in previewed if isinstance(page, PreviewPage)] == pages


@pytest.mark.parametrize(
    ("values", "key", "message"),
    [
        ({"rows": "pages"}, "rows", "did you mean page?"),
        ({"rows": {"characters": 0}}, "rows", "N at least 1"),
        ({"rows": {"chars": 5}}, "rows", "{characters: N}"),
        ({"rows": "page", "source": {"target_column": "s"}}, "rows", "source.target_column"),
        ({"rows": "page", "source": {"question_column": "q"}}, "rows", "source.question_column"),
        (
            {"instruction": "Read.", "source": {"question_column": "q"}},
            "source.question_column",
            "instruction is set too",
        ),
    ],
)
def test_rows_and_questions_that_make_no_sense_are_refused(
    values: dict[str, Any], key: str, message: str
):
    source = {"path": "a.jsonl", **values.pop("source", {})}
    (problem,) = check_values({"kind": "dataset", **values, "source": source}).problems
    assert problem.key == key
    assert message in str(problem)


def written(tmp_path: Path, *rows: dict[str, Any], **changes: Any) -> tuple[Path, Recorder]:
    path = tmp_path / "source.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    source = {"path": str(path), **changes.pop("source", {})}
    recorder = Recorder()
    generate(config(**changes, source=source), tmp_path / "out", recorder)
    return tmp_path / "out", recorder


def test_datasets_loads_rows_with_boxes(tmp_path: Path):
    documents = ({"id": "one", "text": TEXT}, {"id": "two", "text": "short"})
    output = {"eval_fraction": 0.5}
    folder, _ = written(tmp_path, *documents, rows="page", output=output)
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert isinstance(loaded, datasets.DatasetDict)
    rows: list[Any] = [row for split in loaded.values() for row in split]
    report = json.loads((folder / "report.json").read_text())
    assert (report["documents"], report["rows"]) == (2, len(rows))
    assert report["largest_row"]["images"] == 1
    assert report["long_rows"]["count"] == 0
    for split in loaded.values():  # rows of one document stay together
        assert len(set(split["source_id"])) == 1
    for row in rows:
        assert row["pages"] == len(row["lines"]) == len(row["words"]) == 1
        assert " ".join(line["text"] for line in row["lines"][0]).split() == row["text"].split()
        (image,) = row["images"]
        ink = np.asarray(image.convert("L")) < 255
        for word in row["words"][0]:
            left, top, right, bottom = word["bbox"]
            assert ink[top:bottom, left:right].any()
            ink[top:bottom, left:right] = False
        assert not ink.any()


@pytest.mark.parametrize("rows", ["page", {"characters": 400}])
def test_a_resumed_run_writes_the_same_bytes(tmp_path: Path, rows: Any):
    source = write(tmp_path / "a.jsonl", numbered(6, "Document {}. " + TEXT))
    degrade = {"share": 0.5}
    settings = config(
        rows=rows, degrade=degrade, source={"path": str(source)}, output={"shard_size": 2}
    )
    generate(settings, tmp_path / "whole", Recorder())
    stopped = Recorder(stop="stop", stop_after=3)
    assert generate(settings, tmp_path / "resumed", stopped) == "stopped"
    in_two_processes = settings.model_copy(update={"num_proc": 2})
    assert generate(in_two_processes, tmp_path / "resumed", Recorder()) == "completed"
    assert files(tmp_path / "resumed") == files(tmp_path / "whole")


@pytest.mark.parametrize("boxes", ["none", "lines", "words"])
def test_only_the_boxes_asked_for_are_stored(tmp_path: Path, boxes: str):
    folder, _ = written(tmp_path, {"text": "a b"}, page={**PAGE, "boxes": boxes})
    (shard,) = (folder / "data").iterdir()
    names = pq.read_schema(shard).names
    assert [name for name in ("lines", "words") if name in names] == {
        "none": [],
        "lines": ["lines"],
        "words": ["lines", "words"],
    }[boxes]


def test_rows_of_many_images_are_reported(tmp_path: Path):
    long = "word " * 1500
    page = {"width": 160, "height": 160, "margin": 8, "font_size": 16}
    folder, recorder = written(tmp_path, {"id": "big", "text": long}, {"text": "a"}, page=page)
    report = json.loads((folder / "report.json").read_text())
    images = report["largest_row"]["images"]
    assert images == report["pages"] - 1 > LONG_ROW_IMAGES
    assert report["largest_row"]["source_id"] == "big"
    (warning,) = recorder.warnings
    assert f"largest holds {images} (document big)" in warning
    assert "rows: page" in warning


ONE = {"id": "one", "text": "Blue whales are large.", "q": "What is large?", "a": "Whales."}
LISTS = {
    "id": "many",
    "text": "The sea is wide.",
    "q": ["What?", "How?"],
    "a": ["The sea.", "Wide."],
}
RECORDS = {"id": "records", "text": "Sand.", "q": [{"question": "What?", "answer": "Sand."}]}
COLUMNS = {"id": "columns", "text": "Salt.", "q": {"question": ["A?", "B?"], "answer": ["1", "2"]}}


@pytest.mark.parametrize(
    ("row", "turns"),
    [
        (ONE, [("What is large?", "Whales.")]),
        (LISTS, [("What?", "The sea."), ("How?", "Wide.")]),
        (RECORDS, [("What?", "Sand.")]),
        (COLUMNS, [("A?", "1"), ("B?", "2")]),
    ],
    ids=["text", "lists", "records", "columns"],
)
def test_questions_are_turns_on_the_same_pages(
    tmp_path: Path, row: dict[str, Any], turns: list[tuple[str, str]]
):
    source = {"question_column": "q", "target_column": "a" if "a" in row else None}
    folder, _ = written(tmp_path, row, source=source, system_prompt="Be brief.")
    (shard,) = (folder / "data").iterdir()
    (stored,) = pq.read_table(shard).to_pylist()
    system, *messages = stored["messages"]
    assert system == {"role": "system", "content": [{"type": "text", "text": "Be brief."}]}
    assert [message["role"] for message in messages] == ["user", "assistant"] * len(turns)
    texts = [message["content"][-1]["text"] for message in messages]
    assert list(zip(texts[::2], texts[1::2], strict=True)) == turns
    parts = [part["type"] for message in messages for part in message["content"]]
    assert parts.count("image") == len(stored["images"]) == 1
    assert messages[0]["content"][0]["type"] == "image"
    assert (stored["instruction"], stored["target"]) == turns[-1]
    assert stored["text"] == stored["prompted_text"] == row["text"]
    assert [word["text"] for word in stored["words"][0]] == row["text"].split()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"q": ["What?"]}, "1 questions and 2 answers"),
        ({"q": "What?"}, "1 questions and 2 answers"),
        ({"q": ["What?", {"question": "x"}]}, "has records with|beside records"),
        ({"q": [{"ask": "x", "answer": "y"}]}, "records with ask, answer, but no question"),
        ({"q": [{"question": "x", "answers": "y"}]}, "but no answer"),
        ({"q": [{"question": "x", "answer": ["y", "z"]}]}, "2 answers to one question"),
        ({"a": None}, "questions without answers"),
    ],
)
def test_questions_that_do_not_match_their_answers_are_an_error(
    tmp_path: Path, changes: dict[str, Any], message: str
):
    source = {"question_column": "q", "target_column": "a"}
    with pytest.raises(SourceError, match=message) as caught:
        written(tmp_path, {**LISTS, **changes}, source=source, flaws={"bad_rows": "stop"})
    assert "one answer" in caught.value.advice


def test_documents_with_an_empty_question_or_answer_are_counted():
    def reason(*questions: tuple[str, str]) -> str:
        document = Document("one", "text", None, questions=questions)
        drawn = draw_document(document, config(), cached_renderer(config()))
        assert isinstance(drawn, Skipped)
        return drawn.reason

    assert reason() == "no questions"
    assert reason(("a", "b"), (" ", "c")) == "empty question"
    assert reason(("a", "b"), ("c", "")) == "empty target"


def test_other_questions_about_the_same_text_are_no_duplicate(tmp_path: Path):
    rows = [ONE, {**ONE, "q": "Who?"}, ONE]
    source = {"question_column": "q", "target_column": "a"}
    folder, _ = written(tmp_path, *rows, source=source)
    report = json.loads((folder / "report.json").read_text())
    assert report["duplicates"]["count"] == 1


def test_the_name_of_other_tools_for_answers_is_accepted():
    source = {"path": "a.jsonl", "question_column": "q", "answer_column": "a"}
    checked = check_values({"kind": "dataset", "source": source})
    assert isinstance(checked.config, DatasetConfig)
    assert checked.config.source.target_column == "a"
    assert [notice.key for notice in checked.notices] == ["source.answer_column"]


def test_images_have_the_suffix_of_their_format():
    drawn = draw("a", degrade={"share": 1.0})
    (image,) = to_row(drawn, drawn.rows[0])["images"]
    found = Image.open(io.BytesIO(image["bytes"])).format
    assert (
        Path(image["path"]).suffix == {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}[found or ""]
    )
