"""Commands that start, resume or retry a job, or preview what it would do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepsynth_tui.cli.arguments import ConfigPath, Detach, Json, Overrides, load, refuse
from deepsynth_tui.cli.reporting import BadInput, echo, print_json, report_errors
from deepsynth_tui.config.locations import home

if TYPE_CHECKING:
    from deepsynth_tui.config.dataset import DatasetConfig
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.models.page_for_model import PageForModel, PageInfo
    from deepsynth_tui.runs.directory import RunDirectory


def generate(
    config: ConfigPath,
    detach: Detach = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue after the shards that are finished.")
    ] = False,
    engine: Annotated[
        str | None,
        typer.Option(metavar="local|ray", help="Back end that draws the pages: sets `engine`."),
    ] = None,
    preview: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Draw the first N documents into image files; starts no run."
        ),
    ] = None,
    for_model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="With --preview: image tokens and legibility for this model."
        ),
    ] = None,
    set_: Overrides = None,
    json_: Json = False,
) -> None:
    """Generate a dataset of page images from documents."""
    from deepsynth_tui.config.dataset import DatasetConfig
    from deepsynth_tui.dataset.preflight import check
    from deepsynth_tui.workflows.resume import resume_dataset_run
    from deepsynth_tui.workflows.start import start_run

    with report_errors():
        overrides = [*(set_ or ()), *([f"engine={engine}"] if engine else [])]
        settings, text = load(config, DatasetConfig, overrides)
        if preview is not None:
            _preview(settings, preview, for_model, json_=json_)
            return
        if resume:
            run = resume_dataset_run(home(), config, settings, text)
            _follow(run, detach=detach, json_=json_)
            return
        refuse(check(settings), config)
        _follow(start_run(home(), settings, text), detach=detach, json_=json_)


def train(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG|RUN",
            help="YAML file; with --more-steps or --more-epochs a run: its id, name or folder.",
        ),
    ],
    detach: Detach = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the last checkpoint.")
    ] = False,
    retry: Annotated[
        bool,
        typer.Option(
            "--retry",
            help="Retry a failed run with the changes that its error suggests, in a new run.",
        ),
    ] = False,
    more_steps: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Train RUN for N more steps from its last checkpoint."
        ),
    ] = None,
    more_epochs: Annotated[
        float | None,
        typer.Option(
            min=0.001, metavar="N", help="Train RUN for N more epochs from its last checkpoint."
        ),
    ] = None,
    queue: Annotated[
        bool,
        typer.Option("--queue", help="Put the run into the queue: it starts when it can."),
    ] = False,
    xray: Annotated[
        bool, typer.Option("--xray", help="Show the first batch as model input; starts no run.")
    ] = False,
    set_: Overrides = None,
    json_: Json = False,
) -> None:
    """Fine-tune a model on a dataset, or train a run further (--more-steps, --more-epochs)."""
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.preflight import check
    from deepsynth_tui.workflows.resume import resumable_training_run
    from deepsynth_tui.workflows.start import continue_run, start_run

    with report_errors():
        if more_steps is not None or more_epochs is not None:
            _refuse_other_options(
                {
                    "--resume": resume,
                    "--retry": retry,
                    "--queue": queue,
                    "--xray": xray,
                    "--set": bool(set_),
                },
                both=more_steps is not None and more_epochs is not None,
            )
            _extend(str(config), more_steps, more_epochs, detach=detach, json_=json_)
            return
        if queue and (retry or xray):
            raise BadInput("--queue does not go with --retry and --xray", "Give one of them")
        if retry:
            _retry(config, set_ or (), detach=detach, json_=json_)
            return
        settings, text = load(config, TrainingConfig, set_)
        if xray:
            _xray(settings, json_=json_)
            return
        if resume:
            run = resumable_training_run(home(), config, settings)
            if queue:
                _queue_again(run, settings, json_=json_)
                return
            continue_run(run)
            _show_batch_job(run, json_=json_)
            _follow(run, detach=detach, json_=json_)
            return
        if queue:
            _queue(config, settings, text, json_=json_)
            return
        refuse(check(settings), config)
        run = start_run(home(), settings, text)
        _show_batch_job(run, json_=json_)
        _follow(run, detach=detach, json_=json_)


def _queue(path: Path, settings: TrainingConfig, text: str, *, json_: bool) -> None:
    from deepsynth_tui.cli.queue import report_added
    from deepsynth_tui.queue.add import Candidate, add_configs

    report_added(add_configs(home(), [Candidate(str(path), settings, text)]), json_=json_)


def _queue_again(run: RunDirectory, settings: TrainingConfig, *, json_: bool) -> None:
    """Put a run that has ended into the queue, to continue from its last checkpoint."""
    from deepsynth_tui.cli.queue import report_added
    from deepsynth_tui.queue.add import add_run
    from deepsynth_tui.queue.admission import need_of

    report_added([add_run(home(), run, need_of(settings), resume=True)], json_=json_)


def _preview(settings: DatasetConfig, documents: int, model: str | None, *, json_: bool) -> None:
    from deepsynth_tui.config.model import ModelSettings
    from deepsynth_tui.dataset.errors import DatasetError
    from deepsynth_tui.dataset.reading.mixture import describe, open_documents
    from deepsynth_tui.models.layout_client import request_layout
    from deepsynth_tui.models.page_for_model import page_for_model
    from deepsynth_tui.workflows.preview import PreviewFile, page_line, write_preview

    image = request_layout(model).image if model else None

    def for_model(page: PageInfo) -> PageForModel | None:
        if model and image:
            return page_for_model(page, image, ModelSettings(name_or_path=model))
        return None

    folder = Path(f"{settings.name}-preview")
    try:
        source = open_documents(settings)
        pages = list(write_preview(settings, source, documents, folder, for_model))
    except DatasetError as error:
        raise BadInput(error.message, error.advice) from error
    if json_:
        print_json([page.to_json() for page in pages if isinstance(page, PreviewFile)])
        return
    for line in (*describe(source), *map(page_line, pages)):
        echo(line)


def _xray(config: TrainingConfig, *, json_: bool) -> None:
    from deepsynth_tui.training.xray.client import request_xray
    from deepsynth_tui.training.xray.text import xray_sections
    from deepsynth_tui.tui.terminal_console import TerminalConsole
    from deepsynth_tui.tui.widgets.label_grid import label_grid

    first_batch = request_xray(config)
    if json_:
        print_json(first_batch.to_json())
        return
    console = TerminalConsole(markup=False, highlight=False)
    for title, texts in xray_sections(first_batch):
        console.print(f"{title}\n", style="bold", end="")
        console.print(label_grid(texts))
        console.print()


def _refuse_other_options(options: Mapping[str, bool], *, both: bool) -> None:
    """Refuse options that do not go with --more-steps and --more-epochs."""
    if both:
        raise BadInput("--more-steps and --more-epochs exclude each other", "Give one of them")
    if used := [name for name, is_used in options.items() if is_used]:
        raise BadInput(
            f"--more-steps and --more-epochs do not go with {', '.join(used)}",
            "A run is extended with its own settings; `train CONFIG --retry --set` changes others",
        )


def _extend(
    ref: str, more_steps: int | None, more_epochs: float | None, *, detach: bool, json_: bool
) -> None:
    """Train the run `ref` further and follow it."""
    from deepsynth_tui.workflows import extend

    plan = extend.plan(home(), ref, more_steps=more_steps, more_epochs=more_epochs)
    if not json_:
        for line in plan.lines:
            echo(line)
    _follow(extend.start(plan), detach=detach, json_=json_)


def _retry(path: Path, overrides: Sequence[str], *, detach: bool, json_: bool) -> None:
    """Retry the run that CONFIG belongs to with other settings, in a new run."""
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.workflows import resume, retry

    settings, _ = load(path, TrainingConfig, ())
    plan = retry.plan(resume.resumable_training_run(home(), path, settings), overrides)
    if not json_:
        for key, (old, new) in plan.changed.items():
            echo(f"{key}: {json.dumps(old)} -> {json.dumps(new)}")
    _follow(retry.start(home(), plan), detach=detach, json_=json_)


def _show_batch_job(run: RunDirectory, *, json_: bool) -> None:
    """Print the batch script of a run that was submitted, and the id of its job."""
    from deepsynth_tui.runs.batch_job import read_submission

    submission = read_submission(run)
    if json_ or submission is None or not run.batch_script.exists():
        return
    for line in run.batch_script.read_text(encoding="utf-8").splitlines():
        echo(f"  {line}")
    echo(f"submitted {run.batch_script} as Slurm job {submission.job_id}")


def _follow(run: RunDirectory, *, detach: bool, json_: bool) -> None:
    """Follow a run until it ends, or print how to; exit with the code of its result."""
    from deepsynth_tui.workflows import follow

    if not detach:
        code = follow.follow_until_end(run, (lambda line: None) if json_ else echo)
    else:
        code = 0
        if not json_:
            echo(f"{run.id}\nwatch: deepsynth-tui attach {run.id}")
    if json_:
        from deepsynth_tui.runs.estimate_vs_measured import read_comparison
        from deepsynth_tui.runs.summary import summarize

        print_json(summarize(run).to_json() | read_comparison(run))
    if code:
        raise typer.Exit(code)
