"""The child process that makes the pages of one row; see `workflows.row_pages`.

`python -m deepsynth_tui.workflows.row_pages_server` reads `{"config", "index", "columns"}` from
stdin and prints a `RowPages` as JSON.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any

from deepsynth_tui.child_process import serve
from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.conversations.conversation import message_text
from deepsynth_tui.conversations.errors import DatasetError
from deepsynth_tui.conversations.page_image import open_page
from deepsynth_tui.dataset.preview import PreviewPage, document_pages
from deepsynth_tui.dataset.reading.compose import Skipped, compose
from deepsynth_tui.dataset.reading.mixture import open_documents
from deepsynth_tui.errors import UserError
from deepsynth_tui.page_thumbnail import braille_lines
from deepsynth_tui.workflows.row_pages import RowPages


def row_pages(question: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a question as JSON values.

    Raises:
        UserError: there is no such row, or the dataset cannot be read.
    """
    values, index, columns = question["config"], question["index"], question["columns"]
    if values["kind"] == "dataset":
        return asdict(_drawn(DatasetConfig.model_validate(values), index, columns))
    return asdict(_stored(TrainingConfig.model_validate(values), index, columns))


def _drawn(config: DatasetConfig, index: int, columns: int) -> RowPages:
    documents = list(islice(open_documents(config).documents(), index, index + 2))
    if not documents:
        raise _no_row(index)
    document, is_last = documents[0], len(documents) == 1
    composed = compose(document, config)
    if isinstance(composed, Skipped):
        detail = f": {composed.detail}" if composed.detail else ""
        reason = f"left out, {composed.reason}{detail}"
        return RowPages(composed.source_id, (), "", "", (reason,), is_last)
    pages = [page for page in document_pages(document, config) if isinstance(page, PreviewPage)]
    return RowPages(
        composed.source_id,
        tuple(_lines(page.image, columns) for page in pages),
        composed.instruction,
        composed.target,
        tuple(
            f"page {page.figures.page} of {page.figures.pages}: {page.figures.width} x "
            f"{page.figures.height} px, text {page.figures.font_size} px"
            for page in pages
        ),
        is_last,
    )


def _stored(config: TrainingConfig, index: int, columns: int) -> RowPages:
    from deepsynth_tui.training.data.open_datasets import open_training_datasets

    rows = open_training_datasets(config)
    if index >= len(rows):
        raise _no_row(index)
    is_last = index == len(rows) - 1
    name = f"row {index}"
    try:
        row = rows[index]
        name = row.row_id
        opened = [open_page(image).image for image in row.images]
    except DatasetError as error:
        return RowPages(name, (), "", "", (str(error),), is_last)
    questions = [message_text(turn) for turn in row.messages[:-1] if turn["role"] != "assistant"]
    return RowPages(
        row.row_id,
        tuple(tuple(braille_lines(image, columns)) for image in opened),
        "\n".join(filter(None, questions)),
        row.answer,
        tuple(f"{image.width} x {image.height} px" for image in opened) or ("no images",),
        is_last,
    )


def _lines(image: bytes, columns: int) -> tuple[str, ...]:
    return tuple(braille_lines(open_page({"bytes": image}).image, columns))


def _no_row(index: int) -> UserError:
    return UserError(f"There is no row {index + 1}.", "Go back with the left arrow key.")


def main() -> int:
    """Answer the question on stdin."""
    return serve(row_pages)


if __name__ == "__main__":
    sys.exit(main())
