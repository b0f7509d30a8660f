"""Adapters of runs and an exam of them, for the screens."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.adapters.exam.files import (
    CandidateRecord,
    Exam,
    ExamAnswer,
    ExamFolder,
    ExamRow,
)
from deepsynth_tui.adapters.find import find_adapter
from deepsynth_tui.runs.directory import RunDirectory
from tests.adapters.adapter_files import linear, of_rank, write
from tests.pilot.recorded_runs import ended, new_run
from tests.training.small_datasets import paper
from tests.training.small_datasets import write as write_dataset

TARGETS = ("one", "two", "three", "four")


def adapter_run(home: Path, name: str, *, later: float = 0.0, used: int = 6) -> RunDirectory:
    """Create an ended run with an adapter of rank 8 on two layers."""
    run = new_run(home, name, later=later)
    layers = linear(0, *of_rank(8, used)) | linear(1, *of_rank(8, used - 2))
    write(run.adapter, layers, r=8, lora_alpha=8)
    ended(run)
    return run


def take_exam(home: Path, tmp_path: Path, runs: list[RunDirectory]) -> tuple[ExamFolder, list[str]]:
    """Write an exam of the base, which is always wrong, and of runs: number n knows n answers."""
    pages = write_dataset(
        tmp_path / "pages", [paper(n, f"page {n}", target) for n, target in enumerate(TARGETS)]
    )
    rows = [ExamRow(n, f"row {n}", f"document {n}", target) for n, target in enumerate(TARGETS)]
    folder = ExamFolder(home / "exams" / "f1")
    folder.write_exam(Exam(str(pages), "train", "f1", rows, ["2 rows are left out"]))
    keys = []
    for right, run in enumerate([None, *runs]):
        weights = None if run is None else find_adapter(str(run.adapter)).stored.weights_hash
        name = "base" if run is None else run.id
        adapter = "" if run is None else str(run.adapter)
        record = CandidateRecord(f"key{right}", name, adapter, "org/base", "abc", weights)
        folder.write_candidate(record)
        with folder.append_answers(record.key) as writer:
            for row in rows:
                output = row.target if row.index < right else "wrong"
                writer.append(ExamAnswer(row.index, output, is_cut=False))
        keys.append(record.key)
    return folder, keys
