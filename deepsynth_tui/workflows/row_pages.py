"""The pages of one row of a dataset, as text: drawn from documents, or stored in any dataset.

The server is `workflows.row_pages_server`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepsynth_tui.child_process import ask_async
from deepsynth_tui.config.kinds import Config

TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class RowPages:
    """A row.

    Attributes:
        name: The document or row.
        pages: Each page in lines of braille characters.
        question: The instruction or the questions.
        answer: What a model should answer.
        remarks: Figures, and why there are no pages.
        is_last: Whether there is no next row; None if that is not known.
    """

    name: str
    pages: tuple[tuple[str, ...], ...]
    question: str
    answer: str
    remarks: tuple[str, ...]
    is_last: bool | None


async def request_row_pages(config: Config, index: int, columns: int) -> RowPages:
    """Return row `index` (from 0) of the dataset that `config` makes or trains on.

    `columns` is the width of a page in characters. The child process is killed if the calling task
    is cancelled.

    Raises:
        ChildError: there is no such row, or it cannot be read.
    """
    answer: Mapping[str, Any] = await ask_async(
        "deepsynth_tui.workflows.row_pages_server",
        {"config": config.model_dump(mode="json"), "index": index, "columns": columns},
        subject=f"Row {index + 1}",
        timeout=TIMEOUT_SECONDS,
        timeout_advice="Check the disk or network that the dataset comes from.",
    )
    return RowPages(
        name=answer["name"],
        pages=tuple(tuple(lines) for lines in answer["pages"]),
        question=answer["question"],
        answer=answer["answer"],
        remarks=tuple(answer["remarks"]),
        is_last=answer["is_last"],
    )
