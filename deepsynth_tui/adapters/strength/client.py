"""Ask a child process to measure an adapter at several strengths."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.adapters.exam.files import ExamFolder
from deepsynth_tui.adapters.strength.report import StrengthReport, strength_report
from deepsynth_tui.adapters.strength.scale import check_strengths
from deepsynth_tui.adapters.tasks import SERVER
from deepsynth_tui.child_process import ask_with_progress


@dataclass(frozen=True, slots=True)
class StrengthRequest:
    """What a person asks for; the fields are those of `exam.client.ExamRequest`."""

    adapter: str
    data: str
    strengths: Sequence[float]
    split: str | None
    columns: Mapping[str, str | None]
    limit: int | None
    batch_size: int | None
    folder: Path | None
    metric: str | None


def request_strengths(
    request: StrengthRequest, on_progress: Callable[[str], None]
) -> tuple[ExamFolder, StrengthReport]:
    """Return the folder of the exam and what each strength gains and loses. Blocks.

    Answers that the folder has are not generated again.

    Raises:
        UserError: a strength is none.
        ChildError: the adapter, its base or the dataset cannot be used.
    """
    strengths = check_strengths(request.strengths)
    answer = ask_with_progress(
        SERVER,
        {
            "task": "strength",
            "adapter": request.adapter,
            "strengths": strengths,
            "data": {
                "path": request.data,
                "split": request.split,
                "columns": dict(request.columns),
                "limit": request.limit,
            },
            "batch_size": request.batch_size,
            "folder": str(request.folder.expanduser().resolve()) if request.folder else None,
        },
        subject="The strengths",
        on_progress=on_progress,
    )
    folder = ExamFolder(Path(answer["folder"]))
    report = strength_report(
        folder,
        answer["keys"],
        strengths,
        answer["set"],
        metric=request.metric,
        notes=answer["notes"],
    )
    return folder, report
