"""Commands on existing runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from deepsynth_tui.cli.arguments import Json, RunRef, find_run
from deepsynth_tui.cli.reporting import BadInput, echo, print_json, report_errors
from deepsynth_tui.config.locations import home

if TYPE_CHECKING:
    from deepsynth_tui.runs.directory import RunDirectory
    from deepsynth_tui.runs.summary import RunSummary
    from deepsynth_tui.workflows.clean_checkpoints import Cleaning
    from deepsynth_tui.workflows.delete_runs import RunDeletion

STOP_GRACE = 20.0
"""Seconds that `stop --now` waits for a job to end before it kills the job."""

app = typer.Typer(
    help="List runs; compare, rename, archive, delete and clean them.",
    invoke_without_command=True,
)

RunRefs = Annotated[
    list[str], typer.Argument(metavar="RUN...", help="Ids or their beginnings, names, or folders.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Plan = TypeVar("Plan", "RunDeletion", "Cleaning")


@app.callback()
def list_(
    context: typer.Context,
    archived: Annotated[
        bool, typer.Option("--archived", help="List the archived runs instead.")
    ] = False,
    json_: Json = False,
) -> None:
    """List all runs, newest first; or compare, rename, archive, delete and clean them."""
    if context.invoked_subcommand is not None:
        return
    from deepsynth_tui.runs.summary import iterate_summaries
    from deepsynth_tui.workflows import follow

    with report_errors():
        summaries = iterate_summaries(home(), archived=archived)
        if json_:
            print_json([_with_comparison(summary) for summary in summaries])
            return
        is_empty = True
        for summary in summaries:
            is_empty = False
            echo(follow.summary_line(summary))
        if is_empty:
            none_yet = "No runs yet. `deepsynth-tui demo` starts two."
            echo("No archived runs" if archived else none_yet, err=True)


def _with_comparison(summary: RunSummary) -> dict[str, object]:
    """Return a summary and its measured figures, or the reason why these cannot be read."""
    from deepsynth_tui.runs.directory import RunDirectory, RunUnreadable
    from deepsynth_tui.runs.estimate_vs_measured import comparison_to_json, read_comparison

    try:
        comparison = read_comparison(RunDirectory(summary.id, summary.path))
    except RunUnreadable as error:
        comparison = {**comparison_to_json(None, None), "comparison_problem": error.reason}
    return summary.to_json() | comparison


@app.command()
def compare(
    runs: RunRefs,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write a table, one row per run.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write one page with the curves, to send."),
    ] = None,
    json_: Json = False,
) -> None:
    """Compare runs: the settings that differ, scores, memory, time, tokens and cost."""
    from deepsynth_tui.workflows.comparison.compare import compare_runs
    from deepsynth_tui.workflows.comparison.csv_table import comparison_csv
    from deepsynth_tui.workflows.comparison.page import comparison_page
    from deepsynth_tui.workflows.comparison.text import comparison_lines

    with report_errors():
        targets = [file for file in (csv, html) if file is not None]
        if existing := [file for file in targets if file.exists()]:
            raise BadInput(f"{existing[0]} exists", "Choose a new file")
        comparison = compare_runs(_find_all(runs))
        if csv is not None:
            _write_new(csv, comparison_csv(comparison))
        if html is not None:
            _write_new(html, comparison_page(comparison))
        if json_:
            print_json(comparison.to_json())
            return
        for line in comparison_lines(comparison):
            echo(line)
        for file in targets:
            echo(f"written to {file}")


@app.command()
def rename(
    run: RunRef,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new name.")],
    json_: Json = False,
) -> None:
    """Rename an ended run and its folder. Its former id and name still find it."""
    from deepsynth_tui.workflows.rename_run import rename_run

    with report_errors():
        renamed = rename_run(home(), find_run(run), name)
        if json_:
            print_json(renamed.to_json())
            return
        echo(f"{renamed.former_id} is now {renamed.run.id}")
        if renamed.link:
            echo(f"{renamed.link} stays as a link: other runs name that path")
        for note in renamed.notes:
            echo(note)


@app.command()
def archive(
    runs: RunRefs,
    restore: Annotated[
        bool, typer.Option("--restore", help="Bring archived runs back into the list.")
    ] = False,
    json_: Json = False,
) -> None:
    """Take ended runs out of the list; their files stay. `runs --archived` lists them."""
    from deepsynth_tui.runs import archive as archiving

    with report_errors():
        found = _find_all(runs)
        changed = [(archiving.restore if restore else archiving.archive)(run) for run in found]
        if json_:
            print_json(
                [{"id": run.id, "path": str(run.path), "archived": not restore} for run in found]
            )
            return
        state = "in the list" if restore else "archived"
        for run, is_new in zip(found, changed, strict=True):
            echo(f"{run.id} is {'' if is_new else 'already '}{state}")


@app.command()
def delete(runs: RunRefs, yes: Yes = False, json_: Json = False) -> None:
    """Delete ended runs with everything in their folders."""
    from deepsynth_tui.units import format_bytes
    from deepsynth_tui.workflows import delete_runs

    with report_errors():
        plans = [delete_runs.plan_deletion(home(), run) for run in _find_all(runs)]
        if not yes:
            lines = []
            for plan in plans:
                lines.append(f"{plan.run.path}: {format_bytes(plan.bytes)} ({plan.bytes} bytes)")
                lines += [
                    f"  {reference.run.id} {reference.relation}" for reference in plan.needed_by
                ]
            if not _confirmed(lines, "Delete?", json_=json_):
                return
        leftovers = delete_runs.delete_leftovers(home())
        for plan in plans:
            delete_runs.delete(plan)
            if not json_:
                echo(f"{plan.run.id} is deleted: {format_bytes(plan.bytes)} are free")
        if json_:
            print_json([plan.to_json() for plan in plans])
        elif leftovers:
            echo(f"{format_bytes(leftovers)} of an interrupted deletion are free, too")


@app.command()
def clean(
    runs: RunRefs,
    keep: Annotated[
        int, typer.Option("--keep", min=1, metavar="N", help="Keep the newest N checkpoints.")
    ] = 1,
    keep_every: Annotated[
        int | None,
        typer.Option(min=1, metavar="STEPS", help="Keep those of each multiple of STEPS, too."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")
    ] = False,
    yes: Yes = False,
    json_: Json = False,
) -> None:
    """Delete checkpoints of ended runs, but never the best one, nor the one a resume needs."""
    from deepsynth_tui.units import format_bytes
    from deepsynth_tui.workflows import clean_checkpoints

    with report_errors():
        rule = clean_checkpoints.KeepRule(keep, keep_every)
        plans = [clean_checkpoints.plan_cleaning(run, rule) for run in _find_all(runs)]
        total = sum(plan.bytes for plan in plans)
        lines = [line for plan in plans for line in _cleaning_lines(plan)]
        if dry_run or not total:
            if json_:
                print_json([{**plan.to_json(), "dry_run": dry_run} for plan in plans])
                return
            for line in lines:
                echo(line)
            would = "would be" if dry_run else "are"
            echo(f"{format_bytes(total)} ({total} bytes) {would} freed")
            return
        if not yes and not _confirmed(lines, f"Delete {format_bytes(total)}?", json_=json_):
            return
        for plan in plans:
            clean_checkpoints.clean(plan)
        if json_:
            print_json([{**plan.to_json(), "dry_run": False} for plan in plans])
        else:
            echo(f"{format_bytes(total)} ({total} bytes) are freed")


def _cleaning_lines(plan: Cleaning) -> Sequence[str]:
    from deepsynth_tui.units import format_bytes

    return [
        f"{plan.run.id}: {len(plan.deleted)} of {len(plan.deleted) + len(plan.kept)} checkpoints",
        *(f"  delete {path.name}: {format_bytes(size)}" for path, size in plan.deleted.items()),
        *(f"  keep {path.name}: {why}" for path, why in plan.kept.items()),
    ]


def _find_all(refs: Sequence[str]) -> list[RunDirectory]:
    """Return the runs, each once."""
    runs = [find_run(ref) for ref in refs]
    return list({run.path.resolve(): run for run in runs}.values())


def _confirmed(lines: Sequence[str], question: str, *, json_: bool) -> bool:
    """Ask on a terminal. Raises BadInput where nobody can answer."""
    if json_ or not sys.stdin.isatty():
        raise BadInput("Nothing is deleted without a confirmation", "Give --yes")
    for line in lines:
        echo(line)
    return typer.confirm(question)


def _write_new(file: Path, text: str) -> None:
    """Write a file that does not exist. Raises UserError."""
    from deepsynth_tui.errors import UserError

    try:
        with file.open("x", encoding="utf-8", newline="") as stream:
            stream.write(text)
    except OSError as error:
        raise UserError(
            f"{file} cannot be written: {error.strerror or error}", "Choose another file"
        ) from error


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
    from deepsynth_tui.runs.summary import summarize

    with report_errors():
        directory = find_run(run)
        if not now:
            control.request_stop(directory, now=False)
            is_live = summarize(directory).is_live  # not if it only waited in a queue
            ending = "stops after its next checkpoint" if is_live else "has stopped"
            echo(f"{directory.id} {ending}.")
            return
        ending = control.stop_and_wait(directory, grace=STOP_GRACE)
        echo(f"{directory.id} has stopped ({ending.value}).")


def node(
    run: RunRef,
    rendezvous: Annotated[
        str | None,
        typer.Option(
            metavar="HOST[:PORT]",
            help="Where this machine reaches the one that started the run; default: as the run "
            "folder says.",
        ),
    ] = None,
) -> None:
    """Join a run over several machines from one of them (launch.target: torchrun)."""
    from deepsynth_tui.training.ranks.join import join_run

    with report_errors():
        code = join_run(find_run(run), rendezvous=rendezvous, report=echo)
        if code:
            raise typer.Exit(code)
