"""Commands on trained adapters."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from deepsynth_tui.cli.arguments import Json
from deepsynth_tui.cli.reporting import BadInput, echo, print_json, report_errors
from deepsynth_tui.config.locations import home

app = typer.Typer(
    help="Look at adapters, compare, merge, combine, export and delete them.",
    no_args_is_help=True,
)

AdapterRef = Annotated[
    str, typer.Argument(metavar="ADAPTER", help="A folder, a run with an adapter, or a Hub id.")
]
AdapterRefs = Annotated[
    list[str],
    typer.Argument(metavar="ADAPTER...", help="Folders, runs with an adapter, or Hub ids."),
]


@app.command("list")
def list_(
    places: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FOLDER...]", help="Folders, runs or Hub ids; default: all runs."),
    ] = None,
    json_: Json = False,
) -> None:
    """List the adapters of all runs, or those in folders."""
    from deepsynth_tui.adapters.description_text import list_entry, list_line
    from deepsynth_tui.adapters.find import list_adapters

    with report_errors():
        listed = list(list_adapters(home(), places or ()))
        if json_:
            print_json([list_entry(entry) for entry in listed])
            return
        for entry in listed:
            echo(list_line(entry))
        if not listed:
            echo("No adapters" + (f" in {', '.join(places)}" if places else " yet"), err=True)


@app.command()
def show(adapter: AdapterRef, json_: Json = False) -> None:
    """Show what an adapter was trained from and on, and how much of its rank it uses."""
    from deepsynth_tui.adapters.description_text import description_json, description_lines
    from deepsynth_tui.adapters.find import find_adapter

    with report_errors():
        shown = find_adapter(adapter)
        updates = shown.updates()
        if json_:
            print_json(description_json(shown, updates))
            return
        for line in description_lines(shown, updates):
            echo(line)


@app.command()
def delete(
    adapters: AdapterRefs,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json_: Json = False,
) -> None:
    """Delete adapters. Of a run only the adapter is deleted."""
    from deepsynth_tui.adapters import delete as deletion
    from deepsynth_tui.units import format_bytes

    with report_errors():
        plans = [deletion.plan_deletion(name) for name in dict.fromkeys(adapters)]
        if not yes:
            if json_ or not sys.stdin.isatty():
                raise BadInput("Nothing is deleted without a confirmation", "Give --yes")
            for plan in plans:
                echo(f"{plan.folder}: {format_bytes(plan.bytes)}")
            if not typer.confirm("Delete?"):
                return
        for plan in plans:
            deletion.delete(plan)
            if not json_:
                echo(f"{plan.folder} is deleted: {format_bytes(plan.bytes)} are free")
        if json_:
            print_json(
                [{"name": p.name, "path": str(p.folder), "freed_bytes": p.bytes} for p in plans]
            )
