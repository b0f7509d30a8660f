"""Commands on existing runs."""

from __future__ import annotations

from typing import Annotated

import typer

from deepsynth_tui.cli.arguments import Json, RunRef, find_run
from deepsynth_tui.cli.reporting import print_json, report_errors
from deepsynth_tui.config.locations import home

STOP_GRACE = 20.0
"""Seconds that `stop --now` waits for a job to end before it kills the job."""


def runs(json_: Json = False) -> None:
    """List all runs, newest first."""
    from deepsynth_tui.runs.directory import list_runs
    from deepsynth_tui.runs.estimate_vs_measured import read_comparison
    from deepsynth_tui.runs.summary import summarize
    from deepsynth_tui.workflows import follow

    with report_errors():
        run_directories = list_runs(home())
        summaries = [summarize(run) for run in run_directories]
        if json_:
            pairs = zip(run_directories, summaries, strict=True)
            print_json([summary.to_json() | read_comparison(run) for run, summary in pairs])
        elif summaries:
            for summary in summaries:
                typer.echo(follow.summary_line(summary))
        else:
            typer.echo("No runs yet. `deepsynth-tui demo` starts two.", err=True)


def logs(
    run: RunRef,
    follow_: Annotated[
        bool, typer.Option("-f", "--follow", help="Follow the run until it ends.")
    ] = False,
) -> None:
    """Print the console output of a run."""
    from deepsynth_tui.workflows import follow

    with report_errors():
        follow.print_console(find_run(run), typer.echo, follow=follow_)


def stop(
    run: RunRef,
    now: Annotated[
        bool, typer.Option("--now", help="Stop now, without waiting for the next checkpoint.")
    ] = False,
) -> None:
    """Stop a run, after its next checkpoint or now."""
    from deepsynth_tui.runs import control

    with report_errors():
        directory = find_run(run)
        if not now:
            control.request_stop(directory, now=False)
            typer.echo(f"{directory.id} stops after its next checkpoint.")
            return
        ending = control.stop_and_wait(directory, grace=STOP_GRACE)
        typer.echo(f"{directory.id} has stopped ({ending.value}).")
