"""The exam that compared runs have in common, and the scores of their adapters in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.child_process import ChildError
from deepsynth_tui.child_session import Session
from deepsynth_tui.runs.directory import RunDirectory

# Named, not imported: it belongs to the process that reads.
SERVER = "deepsynth_tui.adapters.look_server"
EXAMS = "exams"
"""The folder under the home, as in `adapters.exam.files`."""
SHOWN_SCORES = ("exact_match", "cer", "field_match")


@dataclass(frozen=True, slots=True)
class SharedExam:
    """Scores by run, in the order of the runs, None for one that has not taken the exam."""

    scores: Sequence[Mapping[str, float] | None]
    notes: Sequence[str]


def shared_exam(home: Path, runs: Sequence[RunDirectory]) -> SharedExam:
    """Return the scores of the exam that most of the runs took, of those the last one.

    Only scores on the same rows can be compared, so that other exams are named in a note.
    """
    nothing = SharedExam([None] * len(runs), ())
    if not (home / EXAMS).is_dir() or not any(run.adapter.is_dir() for run in runs):
        return nothing
    session = Session(SERVER, subject="The process that reads exams")
    question = {"task": "exams", "home": str(home), "adapters": [str(run.adapter) for run in runs]}
    try:
        taken: list[list[dict[str, Any]]] = session.ask(question)
    except ChildError as error:
        return SharedExam(nothing.scores, [f"The exams cannot be read: {error}"])
    finally:
        session.close()
    counts = Counter(exam["path"] for exams in taken for exam in exams)
    if not counts:
        return nothing
    path = max(counts, key=lambda each: (counts[each], Path(each).stat().st_mtime))
    exam = next(exam for exams in taken for exam in exams if exam["path"] == path)
    notes = [f"exam: {exam['rows']} rows of {exam['data']} {exam['split']}, in {path}"]
    if others := len(counts) - 1:
        notes.append(f"{others} other exams of these runs are on other rows: `adapters show` tells")
    return SharedExam([_scores(exams, path) for exams in taken], notes)


def _scores(exams: Sequence[Mapping[str, Any]], path: str) -> Mapping[str, float] | None:
    exam = next((exam for exam in exams if exam["path"] == path), None)
    if exam is None:
        return None
    return {
        f"exam_{name}": exam["scores"][name]["value"]
        for name in SHOWN_SCORES
        if name in exam["scores"]
    }
