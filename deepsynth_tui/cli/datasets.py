"""The command that writes datasets and configurations for other projects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepsynth_tui.cli.arguments import Json, Overrides, load
from deepsynth_tui.cli.reporting import BadInput, echo, print_json, report_errors
from deepsynth_tui.config.export_formats import ExportTarget

if TYPE_CHECKING:
    from deepsynth_tui.conversations.errors import RowError


def export(
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET|CONFIG",
            help="A dataset run, a file, folder or glob, a Hub id; for skypilot a YAML file.",
        ),
    ],
    to: Annotated[
        ExportTarget,
        typer.Option(
            "--to", help="Format to write; skypilot: a training configuration as a task to launch."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR|FILE", help="New folder to write; for skypilot a file."
        ),
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
    bucket: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|URL", help="With skypilot: bucket of the runs; default: one of yours."
        ),
    ] = None,
    set_: Overrides = None,
    json_: Json = False,
) -> None:
    """Write a dataset in a format of another project, or a training run as a SkyPilot task."""
    from deepsynth_tui.conversations.columns import Columns
    from deepsynth_tui.workflows.export import export_dataset

    of_dataset = {
        "--split": split,
        "--config": config,
        "--image-column": image_column,
        "--question-column": question_column,
        "--target-column": target_column,
        "--image-folder": image_folder,
        "--skip-bad-rows": skip_bad_rows,
    }
    with report_errors():
        if to == "skypilot":
            _refuse(of_dataset, "a configuration")
            _export_task(Path(dataset), output, bucket, set_, json_=json_)
            return
        _refuse({"--bucket": bucket, "--set": set_}, "a dataset")
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


def _refuse(options: Mapping[str, object], what: str) -> None:
    if used := [name for name, value in options.items() if value]:
        raise BadInput(f"{', '.join(used)} does not go with {what}", "Leave it out")


def _export_task(
    config: Path, output: Path, bucket: str | None, overrides: list[str] | None, *, json_: bool
) -> None:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.workflows.skypilot.export import export_task

    settings, _ = load(config, TrainingConfig, overrides)
    written = export_task(settings, config, output, bucket=bucket)
    if json_:
        print_json(written.to_json())
        return
    for note in written.notes:
        echo(note, err=True)
    echo(f"{output}: {', '.join(written.accelerators)}")


def _skipped(bad_rows: list[RowError]) -> list[str]:
    return [f"left out: {error.message}" for error in bad_rows]
