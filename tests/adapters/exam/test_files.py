"""The files of an exam survive kills and are refused where they are of something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from deepsynth_tui.adapters.exam.files import (
    EXAMS,
    CandidateRecord,
    Exam,
    ExamAnswer,
    ExamFolder,
    ExamRow,
)
from deepsynth_tui.adapters.exam.of_adapter import exams_of
from deepsynth_tui.adapters.exam.report import exam_report
from deepsynth_tui.adapters.exam.report_text import report_lines
from deepsynth_tui.adapters.find import find_adapter
from deepsynth_tui.cli import app
from deepsynth_tui.errors import UserError
from tests.adapters.adapter_files import linear, of_rank, write

ROWS = [ExamRow(n, f"row {n}", f"document {n}", f"target {n}") for n in range(12)]
EXAM = Exam("papers", "test", "f1", ROWS, ["left out: row 9"])


def record(name: str, key: str = "") -> CandidateRecord:
    return CandidateRecord(key or name, name, f"/{name}", "org/base", None, None)


def answer(folder: ExamFolder, name: str, outputs: dict[int, str], key: str = "") -> None:
    folder.write_candidate(record(name, key))
    with folder.append_answers(key or name) as writer:
        for row, output in outputs.items():
            writer.append(ExamAnswer(row, output, is_cut=row == 3))


def test_a_half_written_line_is_answered_again(tmp_path: Path) -> None:
    folder = ExamFolder(tmp_path / "exam")
    folder.write_exam(EXAM)
    answer(folder, "a", {0: "zero", 1: "eins\nzwei"})
    file = tmp_path / "exam" / "answers" / "a.jsonl"
    file.write_bytes(file.read_bytes() + b'{"row": 2, "outp')
    assert folder.answers("a").keys() == {0, 1}
    answer(folder, "a", {2: "two"})
    assert {row: a.output for row, a in folder.answers("a").items()} == {
        0: "zero",
        1: "eins\nzwei",
        2: "two",
    }


def test_a_folder_of_another_exam_or_of_anything_else_is_left_alone(tmp_path: Path) -> None:
    folder = ExamFolder(tmp_path / "exam")
    folder.write_exam(EXAM)
    folder.write_exam(EXAM)
    with pytest.raises(UserError, match="other rows"):
        folder.write_exam(Exam("papers", "test", "f2", ROWS[:2], []))
    assert folder.read_exam() == EXAM
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        ExamFolder(tmp_path).write_exam(EXAM)
    with (
        folder.lock(),
        pytest.raises(UserError, match="Another process"),
        folder.lock(wait_seconds=0),
    ):
        pass


def test_the_report_says_who_is_better_and_what_is_unfinished(tmp_path: Path) -> None:
    folder = ExamFolder(tmp_path / "exam")
    folder.write_exam(EXAM)
    with pytest.raises(UserError, match="Nobody has answered"):
        exam_report(folder)
    answer(folder, "good", {row.index: row.target for row in ROWS})
    answer(folder, "bad", {row.index: "x" if row.index else row.target for row in ROWS})
    answer(folder, "half", {0: "target 0"})
    report = exam_report(folder)
    assert report.names == ["bad", "good"]
    assert report.scores["good"]["exact_match"].value == 1
    assert report.scores["bad"]["exact_match"].value == pytest.approx(1 / 12)
    assert report.rows[0].spread("cer") == 1
    assert report.rows[-1].row.index == 0  # both are right
    text = "\n".join(report_lines(report, show=2))
    assert "CER: good beats bad by" in text
    assert "left out: row 9" in text
    assert "1 answers did not end" in text
    assert "9 more rows differ" in text
    answer(folder, "good", {row.index: row.target for row in ROWS}, key="k2")
    assert exam_report(folder).names == ["bad", "good (good)", "good (k2)"]
    with pytest.raises(UserError, match="no metric"):
        exam_report(folder, metric="bleu")


def test_show_gives_the_scores_of_finished_exams(home: Path, tmp_path: Path) -> None:
    adapter = write(tmp_path / "a", linear(0, *of_rank(4, 2)), r=4, lora_alpha=4)
    weights = find_adapter(str(adapter)).stored.weights_hash
    for name, rows in (("whole", ROWS), ("half", ROWS[:3])):
        folder = ExamFolder(home / "exams" / name)
        folder.write_exam(EXAM)
        folder.write_candidate(CandidateRecord("k", "a", "/a", "org/base", None, weights))
        with folder.append_answers("k") as writer:
            for row in rows:
                writer.append(ExamAnswer(row.index, row.target, is_cut=False))
    result = CliRunner().invoke(app, ["adapters", "show", str(adapter)])
    assert "Exam on 12 rows of papers test: exact match 100.0 [100.0, 100.0]" in result.stdout
    assert result.stdout.count("Exam on") == 1


def test_the_scores_of_an_adapter_are_those_of_its_full_strength(
    home: Path, tmp_path: Path
) -> None:
    adapter = find_adapter(str(write(tmp_path / "mine", linear(0, *of_rank(4, 2)), r=4)))
    folder = ExamFolder(home / EXAMS / "one")
    folder.write_exam(EXAM)
    for key, strength, output in (("a", 0.5, "target"), ("b", 1.0, "target {}")):
        known = CandidateRecord(key, key, "/a", "b", None, adapter.stored.weights_hash, strength)
        folder.write_candidate(known)
        with folder.append_answers(key) as writer:
            for row in ROWS:
                writer.append(ExamAnswer(row.index, output.format(row.index), is_cut=False))
    (taken,) = exams_of(adapter, home)
    assert taken["scores"]["exact_match"]["value"] == 1


def test_runs_are_called_by_their_names_where_these_differ(tmp_path: Path) -> None:
    folder = ExamFolder(tmp_path)
    folder.write_exam(EXAM)
    right = {row.index: row.target for row in ROWS}
    for name in ("base", "20261130-051621-first", "20261130-051622-second"):
        answer(folder, name, right)
    assert set(exam_report(folder, short_names=True).names) == {"base", "first", "second"}
    answer(folder, "20261130-051623-first", right)
    assert "20261130-051621-first" in exam_report(folder, short_names=True).names
