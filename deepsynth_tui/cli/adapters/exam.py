"""Commands that measure adapters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from deepsynth_tui.cli.adapters.options import (
    AdapterRef,
    AdapterRefs,
    BatchSize,
    Column,
    Data,
    DecidingMetric,
    ExamLimit,
    ExamOutput,
    Split,
    check_names,
    numbers,
    report_progress,
)
from deepsynth_tui.cli.arguments import Json
from deepsynth_tui.cli.reporting import BadInput, echo, print_json, report_errors


def exam(
    adapters: AdapterRefs,
    data: Data,
    base: Annotated[bool, typer.Option("--base", help="Examine the base model, too.")] = False,
    limit: ExamLimit = None,
    split: Split = None,
    image_column: Column = None,
    question_column: Column = None,
    target_column: Column = None,
    metric: DecidingMetric = None,
    batch_size: BatchSize = None,
    output: ExamOutput = None,
    show_rows: Annotated[
        int, typer.Option("--show", min=0, help="Print this many rows that differ most.")
    ] = 5,
    json_: Json = False,
) -> None:
    """Examine adapters on the same pages: metrics, intervals, and the answers that differ.

    Rows that an adapter was trained on are left out. An exam that was interrupted goes on.
    """
    from deepsynth_tui.adapters.exam.client import ExamRequest, request_exam
    from deepsynth_tui.adapters.exam.report import exam_report
    from deepsynth_tui.adapters.exam.report_text import report_lines

    with report_errors():
        _check_metric(metric)
        check_names(adapters)
        columns = {"images": image_column, "question": question_column, "target": target_column}
        request = ExamRequest(
            list(dict.fromkeys(adapters)), data, split, columns, limit, base, batch_size, output
        )
        folder, keys = request_exam(request, report_progress)
        report = exam_report(folder, keys, metric=metric, short_names=not json_)
        if json_:
            print_json({"path": str(folder.path), **report.to_json()})
            return
        for line in report_lines(report, show=show_rows):
            echo(line)
        echo(f"\nThe answers are in {folder.path}")


def strength(
    adapter: AdapterRef,
    data: Annotated[
        str | None, typer.Option("--data", help="Pages of the task, as for `adapters exam`.")
    ] = None,
    values: Annotated[
        str, typer.Option(metavar="X,X,...", help="Strengths; 1 is the adapter as it is.")
    ] = "0,0.25,0.5,0.75,1,1.25",
    limit: ExamLimit = None,
    split: Split = None,
    image_column: Column = None,
    question_column: Column = None,
    target_column: Column = None,
    metric: DecidingMetric = None,
    batch_size: BatchSize = None,
    output: ExamOutput = None,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="DIR", help="Write the adapter at --strength X."),
    ] = None,
    strength: Annotated[
        float | None, typer.Option("--strength", metavar="X", help="Strength to --export.")
    ] = None,
    json_: Json = False,
) -> None:
    """Measure an adapter at several strengths: gained on its task, lost elsewhere."""
    from deepsynth_tui.adapters.find import find_adapter
    from deepsynth_tui.adapters.output_folder import check_new_folder
    from deepsynth_tui.adapters.strength.client import StrengthRequest, request_strengths
    from deepsynth_tui.adapters.strength.report_text import strength_lines
    from deepsynth_tui.adapters.strength.scale import export_scaled

    with report_errors():
        _check_metric(metric)
        strengths = numbers("--values", values)
        _check_strengths(strengths, has_data=data is not None, export=export, strength=strength)
        check_names([adapter])
        exported = export.expanduser().resolve() if export is not None else None
        if exported is not None:
            check_new_folder(exported)  # before minutes of measuring
        measured: dict[str, object] = {}
        if data is not None:
            columns = {"images": image_column, "question": question_column, "target": target_column}
            folder, report = request_strengths(
                StrengthRequest(
                    adapter, data, strengths, split, columns, limit, batch_size, output, metric
                ),
                report_progress,
            )
            measured = {"path": str(folder.path), **report.to_json()}
            if not json_:
                for line in strength_lines(report):
                    echo(line)
                echo(f"\nThe answers are in {folder.path}")
        if exported is not None and strength is not None:
            written = export_scaled(find_adapter(adapter), exported, strength)
            measured["exported"] = written
            if not json_:
                for note in written["notes"]:
                    echo(f"note: {note}")
                echo(f"strength {strength:g} is written to {written['path']}")
        if json_:
            print_json(measured)


def _check_metric(metric: str | None) -> None:
    from deepsynth_tui.adapters.exam.metrics import METRICS

    if metric is not None and metric not in METRICS:
        raise BadInput(f"{metric} is no metric", f"Use one of {', '.join(METRICS)}")


def _check_strengths(
    values: Sequence[float], *, has_data: bool, export: Path | None, strength: float | None
) -> None:
    from deepsynth_tui.adapters.strength.scale import MAX_STRENGTH

    if (export is None) != (strength is None):
        raise BadInput("--export and --strength go together", "Give both, or none")
    if not has_data and export is None:
        raise BadInput("There is nothing to measure on", "Give --data, or --export")
    if strength is not None and not 0 < strength <= MAX_STRENGTH:
        raise BadInput(
            f"--strength {strength:g} cannot be exported",
            f"Give a number above 0, up to {MAX_STRENGTH:g}: at 0 the adapter is its base",
        )
    if wrong := [value for value in values if not 0 <= value <= MAX_STRENGTH]:
        raise BadInput(f"--values {wrong[0]:g} is no strength", f"Use 0 to {MAX_STRENGTH:g}")
