"""Commands that hand adapters to others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from deepsynth_tui.cli.adapters.options import (
    AdapterRef,
    Split,
    check_names,
    report_progress,
)
from deepsynth_tui.cli.arguments import Json
from deepsynth_tui.cli.reporting import BadInput, echo, print_json, report_errors

ExportTo = Literal["peft", "zip", "merged", "vllm", "gguf"]
Towers = Literal["refuse", "drop", "keep"]


def export(
    adapter: AdapterRef,
    to: Annotated[
        ExportTo | None,
        typer.Option(
            "--to",
            help="peft: folder; zip: the same packed; merged: a model; vllm: for its LoRA loader; "
            "gguf: for llama.cpp.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="New folder, or zip file."),
    ] = None,
    prove: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Pages that the export must answer as the adapter did."),
    ] = None,
    split: Split = None,
    limit: Annotated[int, typer.Option(min=1, help="Prove or measure on this many pages.")] = 8,
    towers: Annotated[
        Towers,
        typer.Option(help="vllm: what to do with modules outside of the language model."),
    ] = "refuse",
    converter: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="gguf: llama.cpp or its converter; default: $LLAMA_CPP_DIR, PATH."
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Prove what a server answers (OpenAI chat protocol)."),
    ] = None,
    served_model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Model to ask the server for; default: the adapter's."),
    ] = None,
    json_: Json = False,
) -> None:
    """Export an adapter with its processor, its card and code that runs it without this program.

    With --prove it must answer as it did in training; with --server, what the server serves must.
    Without --output a server is only proven.
    """
    from deepsynth_tui.adapters.export.client import (
        ExportRequest,
        export_lines,
        request_export,
    )

    with report_errors():
        if server is not None and prove is None:
            raise BadInput("--server needs pages to ask about", "Name them with --prove")
        if (to is None) != (output is None) or (to is None and server is None):
            raise BadInput(
                "An export needs --to and --output", "Give both, or prove a server: --server URL"
            )
        if to == "gguf":
            _check_converter(converter)
        check_names([adapter])
        written = request_export(
            ExportRequest(
                adapter,
                to,
                output,
                prove,
                split,
                limit,
                towers=towers,
                converter=converter,
                server=server,
                served_model=served_model,
            ),
            report_progress,
        )
        if json_:
            print_json(written)
            return
        for line in export_lines(written):
            echo(line)


def _check_converter(converter: Path | None) -> None:
    """Raise BadInput if llama.cpp's converter is missing, before anything is loaded."""
    from deepsynth_tui.adapters.export.llama_cpp import ConverterMissing, find_converter

    try:
        find_converter(converter)
    except ConverterMissing as error:
        raise BadInput(error.message, error.advice) from error


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
