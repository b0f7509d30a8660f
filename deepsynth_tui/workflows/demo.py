"""Run the whole workflow on shipped documents and a shipped model: pages, then an adapter.

Two ordinary runs from two ordinary configurations (`presets/demo/`); the second waits for the
first.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from deepsynth_tui.config.load import LoadedConfig, load_file
from deepsynth_tui.config.presets import presets_dir
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.launch import start_job
from deepsynth_tui.runs.reduce_events import fold
from deepsynth_tui.runs.state import RunState
from deepsynth_tui.runs.tail import EventTail
from deepsynth_tui.workflows.follow import PrintLine, follow_until_end

TEXT_WIDTH = 92
"""Columns that documents and answers are wrapped to."""
SCORES = {"Exact match": "eval_exact_match", "Character errors": "eval_cer"}


def start(
    home: Path, folder: Path | None = None, overrides: Sequence[str] = ()
) -> tuple[RunDirectory, RunDirectory]:
    """Start both runs, in `folder` if given, and return (dataset run, training run).

    `overrides` are settings of the training run, as `section.key=value`.

    Raises:
        ConfigError: an override is wrong.
        RunExists: `folder` contains runs already.
        LaunchError: a job cannot be started.
    """
    _load("training", overrides, estimate_only=True)  # check the overrides before creating anything
    dataset_run = _create(home, "dataset", folder)
    data = f"data.path={dataset_run.path.resolve()}"
    training_run = _create(
        home, "training", folder, after=dataset_run, overrides=[data, *overrides]
    )
    start_job(dataset_run)
    start_job(training_run)
    return dataset_run, training_run


def follow(dataset_run: RunDirectory, training_run: RunDirectory, print_line: PrintLine) -> int:
    """Print both runs until they end, then their results; return the exit code."""
    print_line(f"Pages: {dataset_run.path}")
    code = follow_until_end(dataset_run, print_line)
    print_line(f"Training: {training_run.path}")
    code = follow_until_end(training_run, print_line) or code
    if code == 0:
        for line in results(_state(dataset_run), _state(training_run), training_run):
            print_line(line)
    return code


def results(dataset: RunState, training: RunState, run: RunDirectory) -> list[str]:
    """Return the results of both runs as lines: counts, losses, scores and sample answers."""
    documents = dataset.results.get("documents")
    pages = dataset.results.get("pages")
    losses = f"{training.first_loss:.3f} -> {training.last_loss:.3f}"
    lines = [
        "",
        f"Dataset generated: {documents} documents on {pages} pages.",
        f"Trained {training.step} steps, loss {losses}.",
        *_scores(training),
        f"Adapter: {run.adapter}",
    ]
    # Events may interleave documents; print each document with all its answers.
    samples = [sample for sample in training.samples if sample.when != "during"]
    for before in (sample for sample in samples if sample.when == "before"):
        lines += ["", "A held-out document:", *_quoted(before.input)]
        lines += ["Expected:", *_quoted(before.target)]
        for sample in samples:
            if sample.input == before.input:
                lines += [f"The model {sample.when} training:", *_quoted(sample.output)]
    lines += ["", f"See it in the interface: deepsynth-tui attach {run.id}"]
    return lines


def _scores(training: RunState) -> list[str]:
    """Return the scores over all held-out answers at the first and at the last evaluation."""
    return [
        f"{name} on held-out documents: {points[0][1]:.0%} before, {points[-1][1]:.0%} after."
        for name, series in SCORES.items()
        if (points := training.series.get(series))
    ]


def _create(
    home: Path,
    kind: str,
    folder: Path | None,
    after: RunDirectory | None = None,
    overrides: Sequence[str] = (),
) -> RunDirectory:
    loaded = _load(kind, overrides)
    return create_run(
        home,
        kind=kind,
        name=loaded.config.name,
        config_text=loaded.text,
        at=folder / kind if folder else None,
        after=after.id if after else None,
    )


def _load(kind: str, overrides: Sequence[str], *, estimate_only: bool = False) -> LoadedConfig:
    return load_file(
        presets_dir() / "demo" / f"{kind}.yaml", overrides, estimate_only=estimate_only
    )


def _state(run: RunDirectory) -> RunState:
    tail = EventTail(run.events)
    state = RunState()
    while events := tail.poll():
        state = fold(state, events)
    return state


def _quoted(text: str) -> list[str]:
    lines = [sanitize(line) for line in text.splitlines()] or ["(nothing)"]
    return [
        f"  | {part}".rstrip() for line in lines for part in textwrap.wrap(line, TEXT_WIDTH) or [""]
    ]
