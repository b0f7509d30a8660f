"""The course from nothing to a model that reads: dataset and training jobs, one after the other.

Every part is done once: called again on the same folder, it goes on where it was ended.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deepsynth_tui.builtin.recipe import model
from deepsynth_tui.builtin.recipe.questions import ask
from deepsynth_tui.builtin.recipe.stages import Stage
from deepsynth_tui.builtin.recipe.texts import documents
from deepsynth_tui.config.load import load_text
from deepsynth_tui.runs.directory import RunNotFound, open_run
from deepsynth_tui.runs.summary import summarize

ROOM = Path(__file__).parent
POLL = 5.0  # seconds between two looks at a run that someone else started
COMMANDS = {"pages": "generate", "training": "train"}


class RunFailed(RuntimeError):
    """A run of the course did not end well; its folder says why."""


def pretrain(folder: Path, stages: Iterable[Stage]) -> Path:
    """Take all `stages` in `folder`; return the checkpoint of the trained model.

    Raises:
        RunFailed: a run failed or was stopped; call again to go on.
    """
    os.environ["DEEPSYNTH_HOME"] = str(folder.resolve())
    reader = folder / "untrained"
    if not reader.is_dir():
        draft = folder / ".untrained"
        shutil.rmtree(draft, ignore_errors=True)
        model.write(draft)
        draft.replace(reader)
    for number, stage in enumerate(stages):
        place = folder / stage.name
        pages = make_pages(place, stage, seed=number)
        settings = stage.training_settings() | {
            "name": f"reader-{stage.name}",
            "model.name_or_path": reader.resolve(),
            "data.path": pages.resolve(),
        }
        reader = run("training", place / "training", settings) / "model"
    return reader


def make_pages(place: Path, stage: Stage, *, seed: int) -> Path:
    """Draw the pages of a stage; return the folder with all of their shards."""
    whole = place / "pages"
    if whole.is_dir():
        return whole
    made = []
    for size in stage.sizes:
        source = place / f"texts-{size}.jsonl"
        if not source.is_file():
            write_texts(source, stage, size, seed=seed)
        settings = stage.page_settings(size) | {"source.path": source.resolve()}
        made.append(run("pages", place / f"pages-{size}", settings) / "dataset")
    join(made, whole)
    return whole


def write_texts(
    target: Path, stage: Stage, size: int, *, seed: int, held_out: bool = False
) -> None:
    """Write what the pages of `size` say and what is asked about them, a JSON line each."""
    target.parent.mkdir(parents=True, exist_ok=True)
    seed = seed * 1000 + size
    texts = documents(
        seed,
        stage.pages // len(stage.sizes),
        lines=stage.lines_at(size),
        held_out=held_out,
        width=stage.letters(size),
    )
    draft = target.with_suffix(".part")
    rng = random.Random(f"{seed}:questions")
    with draft.open("w", encoding="utf-8") as file:
        for text in texts:
            row = {"text": text, **ask(rng, text, share=stage.questions)._asdict()}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    draft.replace(target)


def join(datasets: Iterable[Path], target: Path) -> None:
    """Put the shards of several datasets into one folder, which `datasets` reads as one."""
    shards = [shard for one in datasets for shard in sorted((one / "data").glob("train-*.parquet"))]
    draft = target.with_name(f".{target.name}")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "data").mkdir(parents=True)
    for number, shard in enumerate(shards):
        name = f"train-{number:05}-of-{len(shards):05}.parquet"
        (draft / "data" / name).hardlink_to(shard)
    draft.replace(target)


def run(kind: str, at: Path, settings: Mapping[str, Any]) -> Path:
    """See to it that the run of `kind` in the folder `at` is done; return the folder.

    Raises:
        RunFailed: it failed or was stopped.
    """
    settings = {**settings, "output.dir": at.resolve()}
    config = run_config(kind, at.with_suffix(".yaml"), settings)
    while (state := state_of(at)) == "live":
        time.sleep(POLL)
    if state != "done":
        command = [sys.executable, "-m", "deepsynth_tui", COMMANDS[kind], str(config)]
        ended = subprocess.run([*command, *(["--resume"] if state == "ended" else [])])
        if ended.returncode:
            raise RunFailed(f"{at} did not end well (exit code {ended.returncode})")
    return at


def run_config(kind: str, target: Path, settings: Mapping[str, Any]) -> Path:
    """Write the configuration of this room for `kind`, with `settings` in it, to `target`."""
    text = (ROOM / f"{kind}.yaml").read_text(encoding="utf-8")
    given = [f"{name}={value}" for name, value in settings.items()]
    target.write_text(load_text(text, given, file=f"{kind}.yaml").text, encoding="utf-8")
    return target


def state_of(at: Path) -> str:
    """Return new, live, ended or done, for the run in the folder `at`."""
    try:
        summary = summarize(open_run(at))
    except RunNotFound:
        return "new"
    if summary.is_live:
        return "live"
    return "done" if summary.state == "done" else "ended"
