"""Commands that open the full-screen interface."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepsynth_tui import __version__
from deepsynth_tui.cli.arguments import Overrides, RunRef, find_run
from deepsynth_tui.cli.reporting import BAD_INPUT, reported
from deepsynth_tui.config.locations import home

if TYPE_CHECKING:
    from deepsynth_tui.runs.directory import RunDirectory


def open_app(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Open the full-screen interface."""
    if version:
        typer.echo(__version__)
    elif context.invoked_subcommand is None:
        open_interface()


def demo(
    headless: Annotated[bool, typer.Option(help="Print progress instead of opening.")] = False,
    dir: Annotated[Path | None, typer.Option(help="Put both runs into this folder.")] = None,
    set_: Overrides = None,
) -> None:
    """Do the whole job on built-in documents and a built-in model, for real; --set changes the
    training."""
    from deepsynth_tui.workflows import demo as the_demo

    with reported():
        pages, training = the_demo.start(home(), dir, set_ or [])
        if not headless and sys.stdout.isatty() and sys.stdin.isatty():
            open_interface(pages)
            return
        raise typer.Exit(the_demo.narrate(pages, training, typer.echo))


def attach(run: RunRef) -> None:
    """Open the interface on a run."""
    with reported():
        open_interface(find_run(run))


def open_interface(run: RunDirectory | None = None) -> None:
    """Open the interface, at `run` where one is given."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        typer.echo("The interface needs a terminal. See `deepsynth-tui --help`.", err=True)
        raise typer.Exit(BAD_INPUT)
    from deepsynth_tui.tui.app import run_app

    run_app(home(), open_run=run)
