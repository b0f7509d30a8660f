"""Commands that measure adapters."""

from __future__ import annotations

from typing import Annotated

import typer

from deepsynth_tui.cli.adapters.options import (
    AdapterRefs,
    BatchSize,
    Column,
    Data,
    DecidingMetric,
    ExamLimit,
    ExamOutput,
    Split,
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
    from deepsynth_tui.adapters.exam.metrics import METRICS
    from deepsynth_tui.adapters.exam.report import exam_report
    from deepsynth_tui.adapters.exam.report_text import report_lines

    with report_errors():
        if metric is not None and metric not in METRICS:
            raise BadInput(f"{metric} is no metric", f"Use one of {', '.join(METRICS)}")
        columns = {"images": image_column, "question": question_column, "target": target_column}
        request = ExamRequest(
            list(dict.fromkeys(adapters)), data, split, columns, limit, base, batch_size, output
        )
        folder, keys = request_exam(request, report_progress)
        report = exam_report(folder, keys, metric=metric)
        if json_:
            print_json({"path": str(folder.path), **report.to_json()})
            return
        for line in report_lines(report, show=show_rows):
            echo(line)
        echo(f"\nThe answers are in {folder.path}")
