"""Commands on existing runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deepsynth_tui.cli.arguments import Json, RunRef, find_run
from deepsynth_tui.cli.reporting import echo, print_json, report_errors
from deepsynth_tui.config.locations import home

if TYPE_CHECKING:
    from deepsynth_tui.runs.summary import RunSummary

STOP_GRACE = 20.0
"""Seconds that `stop --now` waits for a job to end before it kills the job."""


def runs(json_: Json = False) -> None:
    """List all runs, newest first."""
    from deepsynth_tui.runs.summary import iterate_summaries
    from deepsynth_tui.workflows import follow

    with report_errors():
        summaries = iterate_summaries(home())
        if json_:
            print_json([_with_comparison(summary) for summary in summaries])
            return
        count = 0
        for count, summary in enumerate(summaries, start=1):  # noqa: B007 - the count is used below
            echo(follow.summary_line(summary))
        if not count:
            echo("No runs yet. `deepsynth-tui demo` starts two.", err=True)


def _with_comparison(summary: RunSummary) -> dict[str, object]:
    """Return a summary and its measured figures, or the reason why these cannot be read."""
    from deepsynth_tui.runs.directory import RunDirectory, RunUnreadable
    from deepsynth_tui.runs.estimate_vs_measured import comparison_to_json, read_comparison

    try:
        comparison = read_comparison(RunDirectory(summary.id, summary.path))
    except RunUnreadable as error:
        comparison = {**comparison_to_json(None, None), "comparison_problem": error.reason}
    return summary.to_json() | comparison


def logs(
    run: RunRef,
    follow_: Annotated[
        bool, typer.Option("-f", "--follow", help="Follow the run until it ends.")
    ] = False,
) -> None:
    """Print the console output of a run."""
    from deepsynth_tui.workflows import follow

    with report_errors():
        follow.print_console(find_run(run), echo, follow=follow_)


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
            echo(f"{directory.id} stops after its next checkpoint.")
            return
        ending = control.stop_and_wait(directory, grace=STOP_GRACE)
        echo(f"{directory.id} has stopped ({ending.value}).")
