"""Export any dataset that training reads, in a format of another project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deepsynth_tui.errors import UserError

if TYPE_CHECKING:
    from deepsynth_tui.config.export_formats import ExportFormatName
    from deepsynth_tui.conversations.columns import Columns
    from deepsynth_tui.conversations.conversation import Conversation
    from deepsynth_tui.conversations.errors import RowError
    from deepsynth_tui.export.report import ExportReport


def export_dataset(
    path: str,
    format_name: ExportFormatName,
    folder: Path,
    *,
    splits: Sequence[str] = (),
    config: str | None = None,
    columns: Columns | None = None,
    image_folder: str | None = None,
    skip_bad_rows: bool = False,
) -> tuple[ExportReport, list[RowError]]:
    """Export `splits`, by default all, and return the report and the bad rows that were skipped.

    `path` is a dataset run, a file, a folder, a glob or an id on the Hub.

    Raises:
        UserError: the dataset cannot be read, a row is bad and not skipped, `folder` is not empty,
            or no row fits the format.
        OSError: a file cannot be written.
    """
    import datasets

    from deepsynth_tui.conversations.dataset import read, split_names
    from deepsynth_tui.export.export import export
    from deepsynth_tui.training.data.dataset_folder import dataset_folder

    datasets.disable_progress_bars()
    location = str(dataset_folder(path) or path)
    bad_rows: list[RowError] = []

    def rows(split: str) -> Iterator[Conversation]:
        try:
            yield from read(
                location,
                split=split,
                config=config,
                columns=columns,
                image_folder=image_folder,
                skip=bad_rows.append if skip_bad_rows else None,
            )
        except UserError as error:
            raise UserError(f"{split}: {error.message}", error.advice, error.key) from error

    chosen = splits or split_names(location, config)
    report = export({split: rows(split) for split in chosen}, format_name, folder)
    return report, bad_rows
