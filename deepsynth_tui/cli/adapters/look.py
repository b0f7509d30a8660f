"""Commands that look at adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deepsynth_tui.cli.adapters.options import (
    AdapterRef,
    AdapterRefs,
    check_names,
    report_progress,
)
from deepsynth_tui.cli.arguments import Json
from deepsynth_tui.cli.reporting import echo, print_json, report_errors
from deepsynth_tui.config.locations import home


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


def show(adapter: AdapterRef, json_: Json = False) -> None:
    """Show what an adapter was trained from and on, and how much of its rank it uses."""
    from deepsynth_tui.adapters.description_text import description_json, description_lines
    from deepsynth_tui.adapters.exam.of_adapter import exam_line, exams_of
    from deepsynth_tui.adapters.find import find_adapter

    with report_errors():
        shown = find_adapter(adapter)
        updates = shown.updates()
        if json_:
            exams = list(exams_of(shown, home()))
            print_json({**description_json(shown, updates), "exams": exams})
            return
        for line in description_lines(shown, updates):
            echo(line)
        for taken in exams_of(shown, home()):
            echo(exam_line(taken))


def try_(
    adapters: AdapterRefs,
    image: Annotated[Path, typer.Option("--image", help="A page.")],
    instruction: Annotated[
        str | None, typer.Option(help="Default: that of each adapter's run.")
    ] = None,
    tokens: Annotated[int, typer.Option(min=1, help="At most this many new tokens.")] = 256,
    json_: Json = False,
) -> None:
    """Generate the answers of the base model and of adapters to a page."""
    from deepsynth_tui.adapters.tasks import SERVER
    from deepsynth_tui.child_process import ask_with_progress

    with report_errors():
        check_names(adapters)
        question = {
            "task": "try",
            "adapters": list(dict.fromkeys(adapters)),
            "image": str(image),
            "instruction": instruction,
            "new_tokens": tokens,
        }
        answers = ask_with_progress(
            SERVER,
            question,
            subject="The answers",
            on_progress=report_progress,
        )
        if json_:
            print_json(answers)
            return
        for answer in answers:
            cut = f" (cut after {tokens} tokens)" if answer["is_cut"] else ""
            echo(f"{answer['name']}{cut}:\n{answer['answer']}\n")
