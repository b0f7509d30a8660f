"""Ask a child process to examine adapters; it imports torch and loads the models."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deepsynth_tui.adapters.exam.files import ExamFolder
from deepsynth_tui.adapters.tasks import SERVER
from deepsynth_tui.child_process import ask_with_progress

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class ExamRequest:
    """What a person asks for.

    Attributes:
        adapters: Folders, runs or Hub ids.
        data: A dataset run, a file, folder or glob, or a Hub id.
        columns: Columns that the person names, by the fields of `conversations.columns.Columns`.
        limit: Examine at most this many rows.
        with_base: Whether the base model is examined, too.
        batch_size: Rows generated at a time; None: the batch size of each adapter's run.
        folder: Where the files go; None: a folder for these rows under the home.
    """

    adapters: Sequence[str]
    data: str
    split: str | None
    columns: Mapping[str, str | None]
    limit: int | None
    with_base: bool
    batch_size: int | None
    folder: Path | None


def request_exam(
    request: ExamRequest,
    on_progress: Callable[[str], None],
    on_start: Callable[[subprocess.Popen[str]], None] | None = None,
) -> tuple[ExamFolder, list[str]]:
    """Return the folder of the finished exam and the keys of its candidates. Blocks.

    `on_start` gets the process, which may be killed.

    Rows that the folder has answers to are not answered again.

    Raises:
        ChildError: an adapter, its base or the dataset cannot be used.
    """
    answer = ask_with_progress(
        SERVER,
        {
            "task": "exam",
            "adapters": list(request.adapters),
            "data": {
                "path": request.data,
                "split": request.split,
                "columns": dict(request.columns),
                "limit": request.limit,
            },
            "with_base": request.with_base,
            "batch_size": request.batch_size,
            "folder": str(request.folder.expanduser().resolve()) if request.folder else None,
        },
        subject="The exam",
        on_progress=on_progress,
        on_start=on_start,
    )
    return ExamFolder(Path(answer["folder"])), answer["keys"]
