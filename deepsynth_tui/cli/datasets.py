"""The command about finished datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepsynth_tui.cli.arguments import Json
from deepsynth_tui.cli.reporting import echo, print_json, report_errors
from deepsynth_tui.config.export_formats import ExportFormatName

if TYPE_CHECKING:
    from deepsynth_tui.conversations.errors import RowError


def export(
    dataset: Annotated[
        str,
        typer.Argument(metavar="DATASET", help="A dataset run, a file, folder or glob, a Hub id."),
    ],
    to: Annotated[ExportFormatName, typer.Option("--to", help="Format to write.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="New folder to write.")
    ],
    split: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Split to export; default: all.")
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Configuration, or entry of dataset_info.json."),
    ] = None,
    image_column: Annotated[str | None, typer.Option(metavar="COLUMN")] = None,
    question_column: Annotated[str | None, typer.Option(metavar="COLUMN")] = None,
    target_column: Annotated[str | None, typer.Option(metavar="COLUMN")] = None,
    image_folder: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder of relative image paths.")
    ] = None,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Leave out rows that cannot be read.")
    ] = False,
    json_: Json = False,
) -> None:
    """Write a dataset in a format of another project."""
    from deepsynth_tui.conversations.columns import Columns
    from deepsynth_tui.workflows.export import export_dataset

    with report_errors():
        report, bad_rows = export_dataset(
            dataset,
            to,
            output,
            splits=split or (),
            config=config,
            columns=Columns(image_column, target_column, question_column),
            image_folder=image_folder,
            skip_bad_rows=skip_bad_rows,
        )
        for warning in (*report.warnings(), *_skipped(bad_rows)):
            echo(warning, err=True)
        if json_:
            skipped = [{"row": error.row_id, "reason": error.reason} for error in bad_rows]
            print_json({"path": str(output), **report.to_json(), "bad_rows": skipped})
            return
        rows = ", ".join(f"{split} {count:,}" for split, count in report.written.items())
        echo(f"{output}: {rows} rows, {report.images:,} images")


def _skipped(bad_rows: list[RowError]) -> list[str]:
    return [f"left out: {error.message}" for error in bad_rows]
