"""The command line: each command reads its input, calls one room and prints what came back.

Exit codes: 0 done, 1 failed, 2 bad input with every problem on stderr, 130 interrupted. With
`--json`, stdout carries that and nothing else. Imports that cost anything stand in the commands.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from deepsynth_tui import __version__

if TYPE_CHECKING:
    from deepsynth_tui.config.checks import Config
    from deepsynth_tui.config.dataset import DatasetConfig
    from deepsynth_tui.config.problems import Problem
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.runs.directory import RunDirectory

C = TypeVar("C", "TrainingConfig", "DatasetConfig")

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
STOP_GRACE = 20.0
"""Seconds that `stop --now` gives a job to end by itself before it is ended."""

app = typer.Typer(
    help="Turn documents into page images and fine-tune vision-language models on them.",
    no_args_is_help=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file.")]
RunRef = Annotated[str, typer.Argument(metavar="RUN", help="Id, its beginning, name, or folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="section.key=value", help="Override a value; repeatable."),
]


@app.callback(invoke_without_command=True)
def open_app(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Open the full-screen interface."""
    if version:
        typer.echo(__version__)
    elif context.invoked_subcommand is None:
        _open_tui()


@app.command()
def demo(
    headless: Annotated[bool, typer.Option(help="Print progress instead of opening.")] = False,
    dir: Annotated[Path | None, typer.Option(help="Put both runs into this folder.")] = None,
    set_: Overrides = None,
) -> None:
    """Do the whole job on built-in documents and a built-in model, for real; --set changes the
    training."""
    from deepsynth_tui import demo as the_demo

    with _reported():
        pages, training = the_demo.start(_home(), dir, set_ or [])
        if not headless and sys.stdout.isatty() and sys.stdin.isatty():
            _open_tui(pages)
            return
        raise typer.Exit(the_demo.narrate(pages, training, typer.echo))


@app.command()
def generate(
    config: ConfigPath,
    detach: Annotated[bool, typer.Option("--detach", help="Return at once.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the shards that are finished.")
    ] = False,
    engine: Annotated[
        str | None, typer.Option(metavar="local|ray", help="Who draws: sets `engine`.")
    ] = None,
    preview: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Draw the first N documents as PNG files; no run."),
    ] = None,
    for_model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="With --preview: what pages are to this model."),
    ] = None,
    set_: Overrides = None,
    json_: Json = False,
) -> None:
    """Draw documents as page images into a dataset."""
    from deepsynth_tui import going_on
    from deepsynth_tui.config.dataset import DatasetConfig
    from deepsynth_tui.dataset.preflight import check

    with _reported():
        overrides = [*(set_ or ()), *([f"engine={engine}"] if engine else [])]
        settings, text = _load(config, DatasetConfig, overrides)
        if preview is not None:
            _preview(settings, preview, for_model, json_=json_)
            return
        if resume:
            run = going_on.dataset_run(_home(), config, settings, text)
            _run(run, detach=detach, json_=json_, resume=True)
            return
        _refuse(check(settings), config)
        _run(_create(settings, text), detach=detach, json_=json_)


@app.command()
def train(
    config: ConfigPath,
    detach: Annotated[bool, typer.Option("--detach", help="Return at once.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint.")
    ] = False,
    retry: Annotated[
        bool,
        typer.Option("--retry", help="Make the change that its error names, and go on so."),
    ] = False,
    xray: Annotated[
        bool, typer.Option("--xray", help="Show the first batch as the model gets it; no run.")
    ] = False,
    set_: Overrides = None,
    json_: Json = False,
) -> None:
    """Fine-tune a model on a dataset."""
    from deepsynth_tui import going_on
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.preflight import check

    with _reported():
        if retry:
            _retry(config, set_ or (), detach=detach, json_=json_)
            return
        settings, text = _load(config, TrainingConfig, set_)
        if xray:
            _xray(settings, json_=json_)
            return
        if resume:
            run = going_on.training_run(_home(), config, settings)
            _run(run, detach=detach, json_=json_, resume=True)
            return
        _refuse(check(settings), config)
        _run(_create(settings, text), detach=detach, json_=json_)


@app.command()
def estimate(
    configs: Annotated[list[Path], typer.Argument(metavar="CONFIG...", help="YAML files.")],
    gpu: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Say what would make it fit this GPU, e.g. T4."),
    ] = None,
    ranks: Annotated[bool, typer.Option("--ranks", help="Compare the ranks of LoRA.")] = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Take a step without memory: slower, more exact.")
    ] = False,
    set_: Overrides = None,
    json_: Json = False,
) -> None:
    """Say whether runs fit, how long they take and what they cost, before they start."""
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.estimate import answer, report
    from deepsynth_tui.estimate.machine import devices
    from deepsynth_tui.estimate.simulation import asking

    with _reported():
        loaded = [(path, _load(path, TrainingConfig, set_, starting=False)[0]) for path in configs]
        here = devices.probe().devices
        for path, config in loaded:
            grounds = answer.gather(config)
            better = asking.simulate(config, grounds.dataset).apply if simulate else None
            found = answer.answer(config, grounds, here, better=better)
            wanted = _named(gpu, [one.name for one in (*found.here, *found.places)])
            if json_:
                _print_json(found.to_json())
                continue
            typer.echo(report.text(found, str(path), wanted=wanted))
            if ranks and found.ranks:
                typer.echo(report.ranks_text(found))


@app.command()
def presets(
    name: Annotated[str | None, typer.Argument(help="group/name: print that file.")] = None,
    json_: Json = False,
) -> None:
    """List the presets, or print one to copy."""
    from deepsynth_tui.config.presets import GROUPS, list_presets

    with _reported():
        found = [preset for group in GROUPS for preset in list_presets(group)]
        if name is not None:
            chosen = [one for one in found if name in (one.name, f"{one.group}/{one.name}")]
            if len(chosen) != 1:
                raise _BadInput(
                    f"{name}: {'several presets are' if chosen else 'no preset is'} called that; "
                    "one of " + ", ".join(f"{one.group}/{one.name}" for one in chosen or found)
                )
            typer.echo(chosen[0].text, nl=False)
        elif json_:
            fields = ("group", "name", "title", "values")
            _print_json([{field: getattr(one, field) for field in fields} for one in found])
        else:
            for one in found:
                typer.echo(f"{one.group + '/' + one.name:<28}{one.title}")


@app.command()
def runs(json_: Json = False) -> None:
    """List all runs, newest first."""
    from deepsynth_tui import follow
    from deepsynth_tui.runs.directory import scan
    from deepsynth_tui.runs.prediction import compared
    from deepsynth_tui.runs.summary import summarize

    with _reported():
        found = scan(_home())
        summaries = [summarize(run) for run in found]
        if json_:
            both = zip(found, summaries, strict=True)
            _print_json([summary.to_json() | compared(run) for run, summary in both])
        elif summaries:
            for summary in summaries:
                typer.echo(follow.summary_line(summary))
        else:
            typer.echo("No runs yet. `deepsynth-tui demo` makes two.", err=True)


@app.command()
def attach(run: RunRef) -> None:
    """Open the interface on a run."""
    with _reported():
        _open_tui(_find(run))


@app.command()
def logs(
    run: RunRef,
    follow_: Annotated[bool, typer.Option("-f", "--follow", help="Go on until it ends.")] = False,
) -> None:
    """Print what a run printed."""
    from deepsynth_tui import follow

    with _reported():
        follow.console(_find(run), typer.echo, until_end=follow_)


@app.command()
def stop(
    run: RunRef,
    now: Annotated[
        bool, typer.Option("--now", help="Do not wait for the next checkpoint.")
    ] = False,
) -> None:
    """Stop a run, after its next checkpoint or now."""
    from deepsynth_tui.runs import control

    with _reported():
        found = _find(run)
        if not now:
            control.request_stop(found, now=False)
            typer.echo(f"{found.id} stops after its next checkpoint.")
            return
        ending = control.stop_and_wait(found, grace=STOP_GRACE)
        typer.echo(f"{found.id} has stopped ({ending.value}).")


@app.command()
def gpus(json_: Json = False) -> None:
    """List the GPUs here and those that estimates are made for."""
    from deepsynth_tui.estimate import report
    from deepsynth_tui.estimate.machine import devices
    from deepsynth_tui.estimate.machine.gpus import catalogue

    with _reported():
        probe = devices.probe()
        if json_:
            _print_json(report.gpus_json(probe, catalogue()))
        else:
            typer.echo(report.gpus_text(probe, catalogue()))


@app.command()
def schema(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="training or dataset.")],
) -> None:
    """Print the JSON Schema of a configuration, for editors."""
    from deepsynth_tui.config.load import MODELS

    with _reported():
        if kind not in MODELS:
            raise _BadInput(f"{kind}: no kind of run; one of {', '.join(MODELS)}")
        _print_json(MODELS[kind].model_json_schema())


@app.command()
def doctor() -> None:
    """Check this machine: packages, GPU, disk, Hub, terminal."""
    from deepsynth_tui import doctor as the_doctor

    with _reported():
        findings = the_doctor.examine(_home())
        for finding in findings:
            typer.echo(str(finding))
        if any(finding.fatal for finding in findings):
            raise typer.Exit(FAILED)


class _BadInput(Exception):
    """Input that is no configuration but wrong all the same: exit 2."""


@contextmanager
def _reported() -> Iterator[None]:
    """Turn the errors that rooms raise for people into a message on stderr and an exit code."""
    from deepsynth_tui.config.problems import ConfigError
    from deepsynth_tui.estimate.child import ChildError
    from deepsynth_tui.estimate.machine.gpus import CatalogueError
    from deepsynth_tui.runs.directory import RunDirectoryError
    from deepsynth_tui.runs.errors import RunError

    try:
        yield
    except ConfigError as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(BAD_INPUT) from None
    except (_BadInput, RunDirectoryError, CatalogueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(BAD_INPUT) from None
    except (RunError, ChildError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # `deepsynth-tui logs RUN | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None


def _home() -> Path:
    from deepsynth_tui.config.locations import home

    return home()


def _open_tui(run: RunDirectory | None = None) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        typer.echo("The interface needs a terminal. See `deepsynth-tui --help`.", err=True)
        raise typer.Exit(BAD_INPUT)
    from deepsynth_tui.tui.app import run_app

    run_app(_home(), open_run=run)


def _load(
    path: Path, kind: type[C], overrides: Sequence[str] | None, *, starting: bool = True
) -> tuple[C, str]:
    """Return the configuration in a file, which must be of this kind, and its completed text."""
    from deepsynth_tui.config.load import load_file
    from deepsynth_tui.config.problems import ConfigError, Problem

    loaded = load_file(path, overrides or (), starting=starting)
    config = loaded.config
    if not isinstance(config, kind):
        other = "generate" if config.kind == "dataset" else "train"
        problem = Problem("kind", f"is {config.kind}", f"see {other}", str(path))
        raise ConfigError([problem])
    for notice in loaded.notices:
        typer.echo(f"{path}: {notice}", err=True)
    return config, loaded.text


def _refuse(problems: Sequence[Problem], path: Path) -> None:
    from dataclasses import replace

    from deepsynth_tui.config.problems import ConfigError

    if problems:
        raise ConfigError([replace(problem, file=str(path)) for problem in problems])


def _named(wanted: str | None, names: Sequence[str]) -> str | None:
    """Return the one of `names` that is meant: the name itself, or the only one it is part of."""
    if wanted is None or wanted in names:
        return wanted
    found = [name for name in names if wanted.casefold() in name.casefold()]
    if len(found) != 1:
        said = "several GPUs are" if found else "no GPU is"
        raise _BadInput(f"{wanted}: {said} called that; one of {', '.join(found or names)}")
    return found[0]


def _find(ref: str) -> RunDirectory:
    from deepsynth_tui.runs.directory import find

    return find(_home(), ref)


def _preview(settings: DatasetConfig, documents: int, model: str | None, *, json_: bool) -> None:
    from deepsynth_tui.dataset.errors import DatasetError
    from deepsynth_tui.estimate.profiles.asking import request
    from deepsynth_tui.previewing import Seen, told, write_preview

    image = request(model).image if model else None
    folder = Path(f"{settings.name}-preview")
    try:
        pages = list(write_preview(settings, documents, folder, image))
    except DatasetError as error:
        raise _BadInput(f"{error.message}\n  {error.advice}") from error
    if json_:
        found = [one.to_json() for one in pages if isinstance(one, Seen)]
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    for page in pages:
        typer.echo(told(page))


def _create(config: Config, text: str) -> RunDirectory:
    from deepsynth_tui.runs.directory import create

    at = Path(config.output.dir) if config.output.dir else None
    return create(_home(), kind=config.kind, name=config.name, config_text=text, at=at)


def _run(run: RunDirectory, *, detach: bool, json_: bool, resume: bool = False) -> None:
    """Start a job and follow it."""
    from deepsynth_tui.runs.launch import start

    start(run, resume=resume)
    _follow(run, detach=detach, json_=json_)


def _retry(path: Path, overrides: Sequence[str], *, detach: bool, json_: bool) -> None:
    """Try the run that CONFIG belongs to again, with other settings, in a new run."""
    from deepsynth_tui import going_on, retry
    from deepsynth_tui.config.training import TrainingConfig

    settings, _ = _load(path, TrainingConfig, ())
    made = retry.plan(going_on.training_run(_home(), path, settings), overrides)
    if not json_:
        for key, (former, new) in made.changed.items():
            typer.echo(f"{key}: {json.dumps(former)} -> {json.dumps(new)}")
    _follow(retry.start(_home(), made), detach=detach, json_=json_)


def _follow(run: RunDirectory, *, detach: bool, json_: bool) -> None:
    """Follow a job to its end, or say how to; exits with the code of how it ended."""
    from deepsynth_tui import follow

    if not detach:
        code = follow.until_end(run, (lambda line: None) if json_ else typer.echo)
    else:
        code = 0
        if not json_:
            typer.echo(f"{run.id}\nwatch: deepsynth-tui attach {run.id}")
    if json_:
        from deepsynth_tui.runs.prediction import compared
        from deepsynth_tui.runs.summary import summarize

        _print_json(summarize(run).to_json() | compared(run))
    if code:
        raise typer.Exit(code)


def _xray(config: TrainingConfig, *, json_: bool) -> None:
    from rich.console import Console

    from deepsynth_tui.estimate.xray.asking import request
    from deepsynth_tui.estimate.xray.told import told
    from deepsynth_tui.tui.widgets.pairs import pairs

    found = request(config)
    if json_:
        _print_json(found.to_json())
        return
    console = Console(markup=False, highlight=False)
    for title, texts in told(found):
        console.print(f"{title}\n", style="bold", end="")
        console.print(pairs(texts))
        console.print()


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=None, default=dict))
