"""Documents that cannot be read: left out and named, or the end of the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.dataset.errors import NoDocuments, SourceError
from deepsynth_tui.dataset.pipeline import generate
from tests.dataset.reading.small_pdf import pdf, pdf_bomb
from tests.dataset.reading.source_files import write
from tests.dataset.recorder import Recorder
from tests.dataset.writing.small_datasets import config, files


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_one_latin_1_file_among_many_is_left_out_counted_and_named(tmp_path: Path):
    folder = tmp_path / "in"
    for number in range(30):
        write(folder / f"{number:02}.txt", f"Document {number}.")
    write(folder / "latin.txt", "café".encode("latin-1"))
    write(folder / "picture.png", b"\x89PNG")
    recorder = Recorder()
    assert generate(config(folder), tmp_path / "out", recorder) == "completed"
    assert recorder.warnings == [
        "files of the source that are not read: 1 .png",
        "skipped 1 of 31 documents, text that is not UTF-8: latin.txt",
    ]
    assert any("documents: 31 .txt" in detail for detail in recorder.details)
    report = json.loads((tmp_path / "out" / "report.json").read_bytes())
    assert (report["documents"], report["files_left_out"]) == (30, {".png": 1})
    assert lines_of(tmp_path / "out" / "flaws.jsonl") == [
        {
            "source_id": "latin.txt",
            "row": None,
            "left_out": "text that is not UTF-8",
            "detail": "byte 3 is 0xe9",
            "file": None,
        }
    ]


@pytest.mark.parametrize("num_proc", [1, 2])
def test_a_document_beyond_the_limits_is_left_out_and_counted(tmp_path: Path, num_proc: int):
    folder = tmp_path / "in"
    write(folder / "1.pdf", pdf([["Before."]]))
    write(folder / "2.pdf", pdf_bomb(48 << 20))
    write(folder / "3.pdf", pdf([["After."]]))
    recorder = Recorder()
    limits = {"max_document_memory": 0.1}
    settings = config(folder, source=limits, num_proc=num_proc, output={"shard_size": 1})
    generate(settings, tmp_path / "out", recorder)
    reason = "a document that takes more than 0.1 GiB of memory to read"
    assert recorder.warnings == [f"skipped 1 of 3 documents, {reason}: 2.pdf"]
    report = json.loads((tmp_path / "out" / "report.json").read_bytes())
    assert (report["documents"], report["skipped"][reason]["count"]) == (2, 1)


def test_a_document_beyond_the_limits_can_end_the_run(tmp_path: Path):
    folder = tmp_path / "in"
    write(folder / "1.pdf", pdf_bomb(48 << 20))
    limits = {"max_document_memory": 0.1}
    strict = config(folder, source=limits, flaws={"bad_rows": "stop"})
    with pytest.raises(SourceError, match=r"1\.pdf: a document that takes more than") as caught:
        generate(strict, tmp_path / "out", Recorder())
    assert "source.max_document_memory" in caught.value.advice


def test_bad_rows_of_a_table_are_grouped_by_reason(tmp_path: Path):
    bad = ["{half", '{"text": "b"', '{"text": 7}', '{"text": null}', "[]"]
    rows = ['{"text": "a"}', *bad, *(f'{{"text": "more {n}"}}' for n in range(4))]
    path = write(tmp_path / "a.jsonl", "\n".join(rows))
    recorder = Recorder()
    generate(config(path), tmp_path / "out", recorder)
    assert recorder.warnings == [
        "skipped 2 of 10 documents, invalid JSON: a.jsonl:2, a.jsonl:3",
        "skipped 1 of 10 documents, column 'text' holds int, not text: a.jsonl:4",
        "skipped 1 of 10 documents, no value in column 'text': a.jsonl:5",
        "skipped 1 of 10 documents, no JSON object: a.jsonl:6",
    ]


def test_stop_ends_the_run_and_skip_continues_it(tmp_path: Path):
    folder = tmp_path / "in"
    for number in range(20):
        write(folder / f"{number:02}.txt", f"Document {number}.")
    write(folder / "19.txt", b"caf\xe9")
    strict = config(folder, flaws={"bad_rows": "stop"}, output={"shard_size": 2})
    with pytest.raises(SourceError, match=r"19\.txt: text that is not UTF-8") as caught:
        generate(strict, tmp_path / "out", Recorder())
    assert caught.value.key == "flaws.bad_rows"
    assert "source.encoding" in caught.value.advice
    assert "set flaws.bad_rows to skip" in caught.value.advice
    lenient = config(folder, flaws={"bad_rows": "skip"}, output={"shard_size": 2})
    recorder = Recorder()
    assert generate(lenient, tmp_path / "out", recorder) == "completed"
    assert recorder.done[0][0] > 0
    generate(lenient, tmp_path / "fresh", Recorder())
    assert {
        name: data for name, data in files(tmp_path / "out").items() if name.endswith(".parquet")
    } == {
        name: data for name, data in files(tmp_path / "fresh").items() if name.endswith(".parquet")
    }


def test_two_processes_leave_out_the_same_documents(tmp_path: Path):
    rows = [f'{{"text": "Document {n}."}}' if n % 5 else "{half" for n in range(40)]
    path = write(tmp_path / "a.jsonl", "\n".join(rows))
    for num_proc in (1, 2):
        generate(
            config(path, num_proc=num_proc, output={"shard_size": 7}),
            tmp_path / f"out{num_proc}",
            Recorder(),
        )
    assert files(tmp_path / "out1") == files(tmp_path / "out2")


def test_a_source_of_bad_rows_alone_is_an_error_with_the_reasons(tmp_path: Path):
    folder = tmp_path / "in"
    write(folder / "a.txt", b"\xff")
    write(folder / "b.pdf", b"no PDF")
    with pytest.raises(NoDocuments, match=r"1 text that is not UTF-8, 1 a damaged PDF"):
        generate(config(folder), tmp_path / "out", Recorder())


def test_more_bad_rows_than_good_ones_are_refused_before_anything_is_drawn(tmp_path: Path):
    rows = ['{"text": "a"}'] * 9 + ['{"text": "half'] * 10
    path = write(tmp_path / "a.jsonl", "\n".join(rows))
    recorder = Recorder()
    with pytest.raises(
        SourceError, match=r"10 of 19 rows cannot be read, the first is a\.jsonl:10"
    ):
        generate(config(path), tmp_path / "out", recorder)
    assert recorder.phases == ["reading"]
    path.write_text("\n".join(rows[:18]))
    generate(config(path), tmp_path / "out", recorder)
