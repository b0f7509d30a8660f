"""The whole job on what ships with the program: documents to pages, pages to an adapter.

Two ordinary runs from two ordinary configurations (`presets/demo/`); the second waits for the
first. Nothing about them is special but that nobody has to write them.
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
from deepsynth_tui.workflows import follow

WIDTH = 92
"""Columns that documents and answers are wrapped to."""
SCORES = {"Exact match": "eval_exact_match", "Character errors": "eval_cer"}


def start(
    home: Path, folder: Path | None = None, changes: Sequence[str] = ()
) -> tuple[RunDirectory, RunDirectory]:
    """Start both runs, below `folder` where one is given; return (dataset run, training run).

    `changes` are settings of the training, as `section.key=value`.

    Raises ConfigError when one of them is wrong, RunExists when `folder` already holds runs,
    LaunchError when a job cannot start.
    """
    _load("training", changes, starting=False)  # before anything is made
    pages = _create(home, "dataset", folder)
    data = f"data.path={pages.path.resolve()}"
    training = _create(home, "training", folder, after=pages, changes=[data, *changes])
    start_job(pages)
    start_job(training)
    return pages, training


def narrate(pages: RunDirectory, training: RunDirectory, say: follow.Say) -> int:
    """Say what both runs do until they end, then what came of them; return the exit code."""
    say(f"Pages: {pages.path}")
    code = follow.until_end(pages, say)
    say(f"Training: {training.path}")
    code = follow.until_end(training, say) or code
    if code == 0:
        for line in results(_state(pages), _state(training), training):
            say(line)
    return code


def results(pages: RunState, training: RunState, run: RunDirectory) -> list[str]:
    """Return what a person wants to know after the demo, as lines."""
    documents = pages.results.get("documents")
    drawn = pages.results.get("pages")
    losses = f"{training.first_loss:.3f} -> {training.last_loss:.3f}"
    lines = [
        "",
        f"Dataset generated: {documents} documents on {drawn} pages.",
        f"Trained {training.step} steps, loss {losses}.",
        *_scores(training),
        f"Adapter: {run.adapter}",
    ]
    # In this order, whatever the order of the events: each document with all of its answers.
    shown = [sample for sample in training.samples if sample.when != "during"]
    for before in (sample for sample in shown if sample.when == "before"):
        lines += ["", "A document that it never learned from:", *_quoted(before.input)]
        lines += ["Wanted:", *_quoted(before.target)]
        for sample in shown:
            if sample.input == before.input:
                lines += [f"The model {sample.when} training:", *_quoted(sample.output)]
    lines += ["", f"See it in the interface: deepsynth-tui attach {run.id}"]
    return lines


def _scores(training: RunState) -> list[str]:
    """Return what all held-out answers came to, at the first evaluation and at the last."""
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
    changes: Sequence[str] = (),
) -> RunDirectory:
    loaded = _load(kind, changes)
    return create_run(
        home,
        kind=kind,
        name=loaded.config.name,
        config_text=loaded.text,
        at=folder / kind if folder else None,
        after=after.id if after else None,
    )


def _load(kind: str, changes: Sequence[str], *, starting: bool = True) -> LoadedConfig:
    file = presets_dir() / "demo" / f"{kind}.yaml"
    return load_file(file, changes, estimate_only=not starting)


def _state(run: RunDirectory) -> RunState:
    tail = EventTail(run.events)
    state = RunState()
    while events := tail.poll():
        state = fold(state, events)
    return state


def _quoted(text: str) -> list[str]:
    lines = [sanitize(line) for line in text.splitlines()] or ["(nothing)"]
    return [f"  | {part}".rstrip() for line in lines for part in textwrap.wrap(line, WIDTH) or [""]]
