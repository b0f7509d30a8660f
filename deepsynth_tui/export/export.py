"""Export the splits of a dataset into a new folder, in a format chosen by its name."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from deepsynth_tui.config.export_formats import ExportFormatName
from deepsynth_tui.conversations.conversation import Conversation
from deepsynth_tui.errors import UserError
from deepsynth_tui.export.imagefolder import ImageFolderWriter, write_metadata
from deepsynth_tui.export.olmocr import OlmOcrWriter
from deepsynth_tui.export.qwen import QwenWriter
from deepsynth_tui.export.report import Destination, ExportReport
from deepsynth_tui.export.row_parts import DoesNotFit, is_unlearned
from deepsynth_tui.export.sharegpt import ShareGptWriter
from deepsynth_tui.export.trl import ConversationalWriter, PromptCompletionWriter
from deepsynth_tui.export.webdataset import WebDatasetWriter


class ExportError(UserError):
    """The dataset cannot be exported."""


class SplitWriter(Protocol):
    """Writes the rows of one split, in order."""

    def write(self, conversation: Conversation) -> None:
        """Write a row. Raises `DoesNotFit`, and has then written nothing of it."""
        ...

    def close(self) -> None:
        """Finish the files of the split; without any row, leave none."""
        ...


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A format: who reads it, the class that writes a split, and what follows the last split.

    `marks_unlearned`: it can say of an answer that it is not to be learned.
    """

    description: str
    writer: Callable[[Destination, ExportReport], SplitWriter]
    finish: Callable[[Path], None] | None = None
    marks_unlearned: bool = False


_SHAREGPT = ExportFormat(
    "LLaMA-Factory and ms-swift: JSONL and image files", ShareGptWriter, marks_unlearned=True
)

UNMARKED = "an answer that is not to be learned is not marked, since the format cannot say so"

FORMATS: Mapping[ExportFormatName, ExportFormat] = {
    "llamafactory": _SHAREGPT,
    "ms-swift": _SHAREGPT,
    "qwen": ExportFormat("Qwen-VL's fine-tuning code: JSON and image files", QwenWriter),
    "trl": ExportFormat("TRL: Parquet with images and messages", ConversationalWriter),
    "trl-prompt-completion": ExportFormat(
        "TRL: Parquet with images, prompt and completion", PromptCompletionWriter
    ),
    "olmocr": ExportFormat("olmOCR: pairs of a one-page PDF and Markdown", OlmOcrWriter),
    "webdataset": ExportFormat("WebDataset: tar archives", WebDatasetWriter, marks_unlearned=True),
    "imagefolder": ExportFormat(
        "datasets: image files with metadata.jsonl", ImageFolderWriter, write_metadata
    ),
}


def export(
    splits: Mapping[str, Iterable[Conversation]],
    format_name: ExportFormatName,
    folder: Path,
    *,
    dataset: str = "",
) -> ExportReport:
    """Write the conversations of each split into the new folder `folder`.

    `dataset` is the name of the dataset where a format has a place for it, by default that of the
    folder.

    Images are written with their stored bytes. Rows that the format cannot hold are left out and
    counted in the report. The folder appears once it is complete.

    Raises:
        ExportError: `folder` is not empty, or no row fits the format.
        OSError: a file cannot be written.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ExportError(f"{folder} already exists", "Choose another folder, or remove it.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.partial")
    partial.mkdir()
    try:
        report = _write(splits, FORMATS[format_name], partial, dataset or folder.name)
        if not report.written.total():
            raise _nothing_fits(format_name, report)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return report


def _write(
    splits: Mapping[str, Iterable[Conversation]],
    export_format: ExportFormat,
    folder: Path,
    dataset: str,
) -> ExportReport:
    report = ExportReport()
    for split, conversations in splits.items():
        writer = export_format.writer(Destination(folder, dataset, split), report)
        try:
            for conversation in conversations:
                report.rows_read += 1
                try:
                    writer.write(conversation)
                except DoesNotFit as error:
                    report.left_out[str(error)].add(conversation.row_id)
                else:
                    report.written[split] += 1
                    report.images += len(conversation.images)
                    if not export_format.marks_unlearned and any(
                        map(is_unlearned, conversation.messages)
                    ):
                        report.changes[UNMARKED] += 1
        finally:
            writer.close()
    if export_format.finish is not None:
        export_format.finish(folder)
    return report


def _nothing_fits(format_name: str, report: ExportReport) -> ExportError:
    if not report.rows_read:
        return ExportError("the dataset has no rows", "Choose another dataset.")
    reasons = "; ".join(
        f"{left_out.rows}: {reason}" for reason, left_out in report.left_out.items()
    )
    return ExportError(
        f"none of the {report.rows_read} rows fits the format {format_name} ({reasons})",
        f"Choose another format: {', '.join(FORMATS)}.",
    )
