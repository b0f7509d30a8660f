"""The exams that an adapter has taken, found under the home."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.adapters.exam.files import EXAM_FILE, EXAMS, ExamFolder
from deepsynth_tui.adapters.exam.metrics import METRICS
from deepsynth_tui.adapters.exam.report import exam_report
from deepsynth_tui.errors import UserError


def exams_of(adapter: Adapter, home: Path) -> Iterator[dict[str, Any]]:
    """Yield dataset, folder and scores of each finished exam, as JSON values.

    An adapter is known by its weights, wherever it is. Exams elsewhere (`--output`) are not found.
    """
    weights = adapter.stored.weights_hash
    for file in sorted((home / EXAMS).glob(f"*/{EXAM_FILE}")):
        folder = ExamFolder(file.parent)
        try:
            records = [
                record
                for record in folder.candidates()
                if record.weights_sha256 == weights and record.strength == 1
            ]
            if not records:
                continue
            report = exam_report(folder, [records[0].key])
        except UserError:
            continue  # unfinished or damaged: it has no scores
        (name,) = report.names
        yield {
            "data": report.exam.data,
            "split": report.exam.split,
            "rows": len(report.exam.rows),
            "path": str(folder.path),
            "scores": {metric: value.to_json() for metric, value in report.scores[name].items()},
        }


def exam_line(exam: dict[str, Any]) -> str:
    """Return the scores of an exam in a line, in percent."""
    scores = ", ".join(
        f"{METRICS[name].label} {100 * score['value']:.1f} "
        f"[{100 * score['low']:.1f}, {100 * score['high']:.1f}]"
        for name, score in exam["scores"].items()
        if name in ("exact_match", "cer", "field_match")
    )
    return f"Exam on {exam['rows']} rows of {exam['data']} {exam['split']}: {scores} %"
