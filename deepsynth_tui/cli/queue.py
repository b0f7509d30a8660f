"""Commands on the queue of this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from deepsynth_tui.cli.arguments import Json, Overrides, RunRef, find_run, load_any
from deepsynth_tui.cli.reporting import BadInput, echo, print_json, report_errors
from deepsynth_tui.config.locations import home

if TYPE_CHECKING:
    from deepsynth_tui.queue.add import Added
    from deepsynth_tui.queue.wake import Woken

T = TypeVar("T")

app = typer.Typer(
    help="Runs that wait for a GPU, or for the CPU where there is none.",
    invoke_without_command=True,
)
Configs = Annotated[list[Path], typer.Argument(metavar="CONFIG...", help="YAML files.")]


@app.callback()
def queue(context: typer.Context, json_: Json = False) -> None:
    """Runs that wait for a GPU, or for the CPU where there is none. Without a command: list them.

    One run at a time has a GPU; it starts once it fits what is free.
    """
    if context.invoked_subcommand is None:
        _list(json_=json_)


@app.command("list")
def list_(json_: Json = False) -> None:
    """List the runs in the queue, and those that it has started. Replaces a dead supervisor."""
    _list(json_=json_)


@app.command()
def add(configs: Configs, set_: Overrides = None, json_: Json = False) -> None:
    """Check configurations and put their runs at the end of the queue."""
    from deepsynth_tui.config.problems import ConfigError
    from deepsynth_tui.queue.add import Candidate, add_configs

    with report_errors():
        candidates, problems = [], []
        for path in configs:
            try:
                config, text = load_any(path, set_)
                candidates.append(Candidate(str(path), config, text))
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(problems)
        report_added(add_configs(home(), candidates), json_=json_)


@app.command(context_settings={"ignore_unknown_options": True})
def move(
    run: RunRef,
    position: Annotated[
        int, typer.Argument(metavar="N", help="1: the next to start; -1: the last.")
    ],
    json_: Json = False,
) -> None:
    """Move a run to a position in the queue."""
    from deepsynth_tui.runs import queue

    with report_errors():
        directory = find_run(run)
        position = _bad_input(lambda: queue.move(home(), directory, position))
        _wake()
        _print(directory.id, f"is at position {position}", json_=json_, position=position)


@app.command()
def hold(run: RunRef, json_: Json = False) -> None:
    """Keep a run from starting; it keeps its position."""
    from deepsynth_tui.runs import queue

    with report_errors():
        directory = find_run(run)
        _bad_input(lambda: queue.hold(home(), directory))
        _print(directory.id, "is held", json_=json_, state="held")


@app.command()
def release(run: RunRef, json_: Json = False) -> None:
    """Let a held run start again."""
    from deepsynth_tui.runs import queue

    with report_errors():
        directory = find_run(run)
        _bad_input(lambda: queue.release(home(), directory))
        _wake()
        _print(directory.id, "is released", json_=json_, state="waiting")


@app.command()
def cancel(run: RunRef, json_: Json = False) -> None:
    """Take a run out of the queue. Its folder remains; `train --resume` starts it nevertheless."""
    from deepsynth_tui.runs import queue

    with report_errors():
        directory = find_run(run)
        _bad_input(lambda: queue.cancel(home(), directory))
        _print(directory.id, "is out of the queue", json_=json_, state="stopped")


def report_added(added: list[Added], *, json_: bool) -> None:
    """Start the supervisor if necessary, and print what was added."""
    from deepsynth_tui.units import format_bytes

    _wake(quiet=json_)
    if json_:
        print_json(
            [
                {
                    "id": entry.run.id,
                    "path": str(entry.run.path),
                    "position": entry.position,
                    "device": entry.need.device,
                    "devices": entry.need.devices,
                    "needed_bytes": entry.need.needed,
                    "note": entry.need.note,
                }
                for entry in added
            ]
        )
        return
    for entry in added:
        need = entry.need
        needs = "" if need.needed is None else f", needs {format_bytes(need.needed)}"
        echo(f"{entry.run.id}: position {entry.position} of the queue{needs}")
        if need.note:
            echo(f"  {need.note} It waits for an empty {need.device.upper()}.", err=True)


def _list(*, json_: bool) -> None:
    from deepsynth_tui.queue.rows import queue_line, queue_view

    with report_errors():
        woken = _wake(quiet=True)
        view = queue_view(home())
        if json_:
            supervisor = view.supervisor or woken.pid
            print_json({**view.to_json(), "supervisor": supervisor, "replaced": woken.died})
            return
        if woken.died:
            echo(f"The supervisor (pid {woken.died}) was dead: a new one starts the runs.")
        elif woken.pid:
            echo("There was no supervisor: a new one starts the runs.")
        for run, device in view.running:
            echo(f"  -  {run:<44}running  {device}")
        for row in view.rows:
            echo(queue_line(row))
        if not view.rows and not view.running:
            echo("The queue is empty. `queue add CONFIG` adds a run.", err=True)


def _wake(*, quiet: bool = False) -> Woken:
    from deepsynth_tui.queue.wake import wake

    woken = wake(home())
    if woken.died and not quiet:
        echo(f"The supervisor (pid {woken.died}) was dead: a new one starts the runs.", err=True)
    return woken


def _bad_input(change: Callable[[], T]) -> T:
    """Return what `change` returns; a run that is not in the queue is bad input."""
    from deepsynth_tui.runs.queue import QueueError

    try:
        return change()
    except QueueError as error:
        raise BadInput(error.message, error.advice) from error


def _print(run: str, text: str, *, json_: bool, **fields: object) -> None:
    if json_:
        print_json({"id": run, **fields})
    else:
        echo(f"{run} {text}")
