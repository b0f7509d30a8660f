"""Commands that make adapters into others, and delete them."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from deepsynth_tui.cli.adapters.options import (
    AdapterRef,
    AdapterRefs,
    NewFolder,
    Split,
    check_names,
    numbers,
    report_progress,
)
from deepsynth_tui.cli.arguments import Json
from deepsynth_tui.cli.reporting import BadInput, echo, print_json, report_errors

CombineMethod = Literal["linear", "ties", "dare_linear", "dare_ties", "svd", "cat"]
MergeOnto = Literal["auto", "full", "dequantized"]


def merge(
    adapter: AdapterRef,
    output: NewFolder,
    onto: Annotated[
        MergeOnto, typer.Option(help="Weights to merge into; auto: measure, keep the nearer.")
    ] = "auto",
    max_drift: Annotated[
        float | None,
        typer.Option(min=0, metavar="NATS", help="Write nothing beyond this KL per token."),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Pages to measure on; default: held-out rows.")
    ] = None,
    split: Split = None,
    limit: Annotated[int, typer.Option(min=1, help="Measure on at most this many pages.")] = 16,
    json_: Json = False,
) -> None:
    """Merge an adapter into its base model, and measure how far the result is from both."""
    from deepsynth_tui.adapters.merge.client import MergeRequest, merge_lines, request_merge

    with report_errors():
        check_names([adapter])
        request = MergeRequest(adapter, output, onto, max_drift, data, split, limit)
        verdict = request_merge(request, report_progress)
        if json_:
            print_json(verdict)
            return
        for line in merge_lines(verdict):
            echo(line)


def combine(
    adapters: AdapterRefs,
    weights: Annotated[
        str, typer.Option(metavar="W,W,...", help="One weight for each adapter, e.g. 0.7,0.3.")
    ],
    output: NewFolder,
    method: Annotated[
        CombineMethod,
        typer.Option(
            help="cat: the exact sum; svd: nearest of lower rank; linear: of the factors."
        ),
    ] = "svd",
    rank: Annotated[int | None, typer.Option(min=1, help="Rank of svd; default: largest.")] = None,
    density: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of weights that ties and dare keep.")
    ] = 0.5,
    json_: Json = False,
) -> None:
    """Combine adapters of one base model into a new adapter."""
    from deepsynth_tui.adapters.tasks import SERVER
    from deepsynth_tui.child_process import ask_with_progress

    with report_errors():
        if rank is not None and method != "svd":
            raise BadInput(f"--rank does not go with --method {method}", "Use --method svd")
        weight_of_each = numbers("--weights", weights)
        check_names(adapters)
        question = {
            "task": "combine",
            "adapters": adapters,
            "weights": weight_of_each,
            "method": method,
            "output": str(output.expanduser().resolve()),
            "rank": rank,
            "density": density,
        }
        combined = ask_with_progress(
            SERVER,
            question,
            subject="The combined adapter",
            on_progress=report_progress,
        )
        if json_:
            print_json(combined)
            return
        echo(f"rank {combined['r']}, written to {combined['path']}")
        names = " ".join(adapters)
        echo(f"compare: deepsynth-tui adapters exam {names} {combined['path']} --data ...")


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
