"""Commands that hand adapters to others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from deepsynth_tui.cli.adapters.options import (
    AdapterRef,
    Split,
    report_progress,
)
from deepsynth_tui.cli.arguments import Json
from deepsynth_tui.cli.reporting import echo, print_json, report_errors

ExportTo = Literal["peft", "zip", "merged"]


def export(
    adapter: AdapterRef,
    to: Annotated[
        ExportTo, typer.Option("--to", help="peft: folder; zip: the same packed; merged: a model.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="New folder, or zip file.")
    ],
    prove: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Pages that the export must answer as the adapter did."),
    ] = None,
    split: Split = None,
    limit: Annotated[int, typer.Option(min=1, help="Prove or measure on this many pages.")] = 8,
    json_: Json = False,
) -> None:
    """Export an adapter with its processor, its card and code that runs it without this program."""
    from deepsynth_tui.adapters.export.client import request_export

    with report_errors():
        written = request_export(
            adapter,
            to,
            output,
            prove=prove,
            split=split,
            limit=limit,
            on_progress=report_progress,
        )
        if json_:
            print_json(written)
            return
        echo(f"written to {written['path']}")
        if proof := written.get("proof"):
            echo(
                f"proven: {proof['same']} of {proof['rows']} answers are those of the adapter "
                f"({proof['pages']}); {proof['same_as_base']} of them are also those of the base"
            )


def push(
    adapter: AdapterRef,
    repo: Annotated[str, typer.Option(metavar="OWNER/NAME", help="Repository on the Hub.")],
    private: Annotated[
        bool, typer.Option("--private/--public", help="Of a new repository.")
    ] = True,
    json_: Json = False,
) -> None:
    """Upload an adapter to the Hub; its card loads it from there."""
    from deepsynth_tui.adapters.find import find_adapter
    from deepsynth_tui.adapters.push import push as push_adapter

    with report_errors():
        url = push_adapter(find_adapter(adapter), repo, private=private)
        if json_:
            print_json({"repo": repo, "url": url})
        else:
            echo(url)
