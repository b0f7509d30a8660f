"""Commands that open the full-screen interface."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepsynth_tui import __version__
from deepsynth_tui.cli.arguments import Overrides, RunRef, find_run
from deepsynth_tui.cli.reporting import BAD_INPUT, BadInput, echo, report_errors
from deepsynth_tui.config.locations import home
from deepsynth_tui.errors import UserError

if TYPE_CHECKING:
    from deepsynth_tui.runs.directory import RunDirectory


def open_app(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Open the full-screen interface."""
    if version:
        echo(__version__)
    elif context.invoked_subcommand is None:
        open_interface()


def demo(
    headless: Annotated[
        bool, typer.Option(help="Print progress; do not open the interface.")
    ] = False,
    dir: Annotated[Path | None, typer.Option(help="Folder for both runs.")] = None,
    set_: Overrides = None,
) -> None:
    """Generate a dataset from built-in documents and train a built-in model on it.

    --set changes settings of the training run.
    """
    from deepsynth_tui.workflows import demo as demo_workflow

    with report_errors():
        dataset_run, training_run = demo_workflow.start(home(), dir, set_ or [])
        if not headless and sys.stdout.isatty() and sys.stdin.isatty():
            open_interface(dataset_run)
            return
        raise typer.Exit(demo_workflow.follow(dataset_run, training_run, echo))


def attach(run: RunRef) -> None:
    """Open the interface on a run."""
    with report_errors():
        open_interface(find_run(run))


def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of 127.0.0.1.")] = 8000,
) -> None:
    """Open the interface in a browser of this machine, with a token (needs the extra `serve`)."""
    with report_errors():
        try:
            from deepsynth_tui.tui.serve import serve as serve_interface
        except ModuleNotFoundError as error:
            raise BadInput(
                f"{error.name} is not installed.", "pip install 'deepsynth-tui[serve]'"
            ) from error
        serve_interface(port, lambda url: echo(f"Open {url}\nCtrl+C ends it; runs continue."))


def keys() -> None:
    """List every action with its keys, and the name it has under `keymap` in interface.yaml."""
    from deepsynth_tui.config.interface import load_interface
    from deepsynth_tui.config.locations import interface_file
    from deepsynth_tui.tui.actions import ACTIONS
    from deepsynth_tui.tui.keymap import check_keymap

    path = interface_file()
    loaded = load_interface(path)
    keymap, problems = check_keymap(loaded.settings.keymap)
    echo(f"# {path}")
    for problem in (*loaded.problems, *problems):
        echo(f"# {problem}", err=True)
    for action in ACTIONS:
        changed = keymap.get(action.id)
        shown = f"{changed} (was {action.keys})" if changed else action.keys
        echo(f"{action.id:<24} {shown:<24} {action.help}")


def open_interface(run: RunDirectory | None = None) -> None:
    """Open the interface, on `run` if given."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        echo("The interface needs a terminal. See `deepsynth-tui --help`.", err=True)
        raise typer.Exit(BAD_INPUT)
    from deepsynth_tui.queue.wake import wake
    from deepsynth_tui.tui.app import run_app

    with contextlib.suppress(UserError):  # `queue` says why
        wake(home())
    run_app(home(), open_run=run)
