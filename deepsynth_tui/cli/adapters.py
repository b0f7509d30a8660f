"""Commands on trained adapters."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from deepsynth_tui.cli.arguments import Json
from deepsynth_tui.cli.reporting import BadInput, echo, print_json, report_errors
from deepsynth_tui.config.locations import home

app = typer.Typer(
    help="Look at adapters, compare, merge, combine, export and delete them.",
    no_args_is_help=True,
)

ExportTo = Literal["peft", "zip", "merged"]
CombineMethod = Literal["linear", "ties", "dare_linear", "dare_ties", "svd", "cat"]
MergeOnto = Literal["auto", "full", "dequantized"]
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


@app.command()
def exam(
    adapters: AdapterRefs,
    data: Annotated[
        str, typer.Option("--data", help="A dataset run, a file, folder or glob, a Hub id.")
    ],
    base: Annotated[bool, typer.Option("--base", help="Examine the base model, too.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Examine at most this many rows, evenly spaced.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Default: validation, test or the only one.")
    ] = None,
    image_column: Annotated[str | None, typer.Option(metavar="COLUMN")] = None,
    question_column: Annotated[str | None, typer.Option(metavar="COLUMN")] = None,
    target_column: Annotated[str | None, typer.Option(metavar="COLUMN")] = None,
    metric: Annotated[
        str | None, typer.Option(help="Metric that decides; default: field_match or cer.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Default: that of each adapter's run.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Folder of the exam's files."),
    ] = None,
    show_rows: Annotated[
        int, typer.Option("--show", min=0, help="Print this many rows that differ most.")
    ] = 5,
    json_: Json = False,
) -> None:
    """Examine adapters on the same pages: metrics, intervals, and the answers that differ.

    Rows that an adapter was trained on are left out. An exam that was interrupted goes on.
    """
    from deepsynth_tui.adapters.exam.client import ExamRequest, request_exam
    from deepsynth_tui.adapters.exam.metrics import METRICS
    from deepsynth_tui.adapters.exam.report import exam_report
    from deepsynth_tui.adapters.exam.report_text import report_lines

    with report_errors():
        if metric is not None and metric not in METRICS:
            raise BadInput(f"{metric} is no metric", f"Use one of {', '.join(METRICS)}")
        columns = {"images": image_column, "question": question_column, "target": target_column}
        request = ExamRequest(
            list(dict.fromkeys(adapters)), data, split, columns, limit, base, batch_size, output
        )
        folder, keys = request_exam(request, lambda text: echo(text, err=True))
        report = exam_report(folder, keys, metric=metric)
        if json_:
            print_json({"path": str(folder.path), **report.to_json()})
            return
        for line in report_lines(report, show=show_rows):
            echo(line)
        echo(f"\nThe answers are in {folder.path}")


@app.command()
def merge(
    adapter: AdapterRef,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="New folder to write.")
    ],
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
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Default: validation, test or the only one.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Measure on at most this many pages.")] = 16,
    json_: Json = False,
) -> None:
    """Merge an adapter into its base model, and measure how far the result is from both."""
    from deepsynth_tui.adapters.merge.client import MergeRequest, merge_lines, request_merge

    with report_errors():
        request = MergeRequest(adapter, output, onto, max_drift, data, split, limit)
        verdict = request_merge(request, lambda text: echo(text, err=True))
        if json_:
            print_json(verdict)
            return
        for line in merge_lines(verdict):
            echo(line)


@app.command()
def combine(
    adapters: AdapterRefs,
    weights: Annotated[
        str, typer.Option(metavar="W,W,...", help="One weight for each adapter, e.g. 0.7,0.3.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="New folder to write.")
    ],
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
        question = {
            "task": "combine",
            "adapters": adapters,
            "weights": _numbers("--weights", weights),
            "method": method,
            "output": str(output.expanduser().resolve()),
            "rank": rank,
            "density": density,
        }
        combined = ask_with_progress(
            SERVER,
            question,
            subject="The combined adapter",
            on_progress=lambda text: echo(text, err=True),
        )
        if json_:
            print_json(combined)
            return
        echo(f"rank {combined['r']}, written to {combined['path']}")
        names = " ".join(adapters)
        echo(f"compare: deepsynth-tui adapters exam {names} {combined['path']} --data ...")


def _numbers(option: str, text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise BadInput(f"{option} {text}: not numbers", "Write them as 0.7,0.3") from None
    if not all(map(math.isfinite, numbers)):
        raise BadInput(f"{option} {text}: not finite", "Write them as 0.7,0.3")
    return numbers


@app.command()
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
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Default: validation, test or the only one.")
    ] = None,
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
            on_progress=lambda text: echo(text, err=True),
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


@app.command()
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


@app.command("try")
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
            on_progress=lambda text: echo(text, err=True),
        )
        if json_:
            print_json(answers)
            return
        for answer in answers:
            cut = f" (cut after {tokens} tokens)" if answer["is_cut"] else ""
            echo(f"{answer['name']}{cut}:\n{answer['answer']}\n")


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
