"""Commands on trained adapters."""

from __future__ import annotations

import typer

from deepsynth_tui.cli.adapters import change, exam, export, look

app = typer.Typer(
    help="Look at adapters, compare, merge, combine, export and delete them.",
    no_args_is_help=True,
)
# The order of `--help`.
app.command("list")(look.list_)
app.command()(look.show)
app.command()(exam.exam)
app.command()(change.merge)
app.command()(change.combine)
app.command()(export.export)
app.command()(export.push)
app.command("try")(look.try_)
app.command()(change.delete)
