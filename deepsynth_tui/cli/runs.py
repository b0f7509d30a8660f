"""Commands on runs that are there."""

from __future__ import annotations

from typing import Annotated

import typer

from deepsynth_tui.cli.arguments import Json, RunRef, find_run
from deepsynth_tui.cli.reporting import print_json, reported
from deepsynth_tui.config.locations import home

STOP_GRACE = 20.0
"""Seconds that `stop --now` gives a job to end by itself before it is ended."""


def runs(json_: Json = False) -> None:
    """List all runs, newest first."""
    from deepsynth_tui.runs.directory import list_runs
    from deepsynth_tui.runs.estimate_vs_measured import read_comparison
    from deepsynth_tui.runs.summary import summarize
    from deepsynth_tui.workflows import follow

    with reported():
        found = list_runs(home())
        summaries = [summarize(run) for run in found]
        if json_:
            both = zip(found, summaries, strict=True)
            print_json([summary.to_json() | read_comparison(run) for run, summary in both])
        elif summaries:
            for summary in summaries:
                typer.echo(follow.summary_line(summary))
        else:
            typer.echo("No runs yet. `deepsynth-tui demo` makes two.", err=True)


def logs(
    run: RunRef,
    follow_: Annotated[bool, typer.Option("-f", "--follow", help="Go on until it ends.")] = False,
) -> None:
    """Print what a run printed."""
    from deepsynth_tui.workflows import follow

    with reported():
        follow.console(find_run(run), typer.echo, until_end=follow_)


def stop(
    run: RunRef,
    now: Annotated[
        bool, typer.Option("--now", help="Do not wait for the next checkpoint.")
    ] = False,
) -> None:
    """Stop a run, after its next checkpoint or now."""
    from deepsynth_tui.runs import control

    with reported():
        found = find_run(run)
        if not now:
            control.request_stop(found, now=False)
            typer.echo(f"{found.id} stops after its next checkpoint.")
            return
        ending = control.stop_and_wait(found, grace=STOP_GRACE)
        typer.echo(f"{found.id} has stopped ({ending.value}).")
