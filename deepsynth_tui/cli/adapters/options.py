"""Arguments and options that several commands on adapters share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from deepsynth_tui.cli.reporting import BadInput, echo

AdapterRef = Annotated[
    str, typer.Argument(metavar="ADAPTER", help="A folder, a run with an adapter, or a Hub id.")
]
AdapterRefs = Annotated[
    list[str],
    typer.Argument(metavar="ADAPTER...", help="Folders, runs with an adapter, or Hub ids."),
]
NewFolder = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="New folder to write.")
]
Data = Annotated[
    str, typer.Option("--data", help="A dataset run, a file, folder or glob, a Hub id.")
]
Split = Annotated[
    str | None, typer.Option(metavar="NAME", help="Default: validation, test or the only one.")
]
Column = Annotated[str | None, typer.Option(metavar="COLUMN")]
ExamLimit = Annotated[
    int | None, typer.Option(min=1, help="Examine at most this many rows, evenly spaced.")
]
DecidingMetric = Annotated[
    str | None, typer.Option(help="Metric that decides; default: field_match or cer.")
]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Default: that of each adapter's run.")]
ExamOutput = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder of the exam's files.")
]


def check_names(names: Iterable[str]) -> None:
    """Raise AdapterNotFound for a name of no adapter, before a process loads models.

    An id of the Hub is looked up by that process.
    """
    from deepsynth_tui.training.stored_adapter import find_adapter_on_this_machine

    for name in names:
        find_adapter_on_this_machine(name)


def report_progress(text: str) -> None:
    """Print a line of progress on stderr."""
    echo(text, err=True)


def numbers(option: str, text: str) -> list[float]:
    """Return the numbers of an option, separated by commas. Raises BadInput."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise BadInput(f"{option} {text}: not numbers", "Write them as 0.7,0.3") from None
    if not all(map(math.isfinite, values)):
        raise BadInput(f"{option} {text}: not finite", "Write them as 0.7,0.3")
    return values
