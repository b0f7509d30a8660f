"""Train the model from scratch: a dataset job and a training job for each stage.

Called again on the same folder, every step that is done is skipped, and an interrupted run is
resumed.
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
from typing import Any, Literal

from deepsynth_tui.builtin.recipe import model
from deepsynth_tui.builtin.recipe.questions import question_about
from deepsynth_tui.builtin.recipe.stages import Stage
from deepsynth_tui.builtin.recipe.texts import documents
from deepsynth_tui.config.load import load_text
from deepsynth_tui.runs.directory import RunNotFound, open_run
from deepsynth_tui.runs.summary import summarize

CONFIGS = Path(__file__).parent
POLL_SECONDS = 5.0  # while a run that someone else started is live
COMMANDS = {"pages": "generate", "training": "train"}

Kind = Literal["pages", "training"]
RunStatus = Literal["new", "live", "ended", "done"]


class RunFailed(RuntimeError):
    """A run of the recipe failed or was stopped; its folder holds the log."""


def pretrain(folder: Path, stages: Iterable[Stage]) -> Path:
    """Train all `stages` in `folder` and return the trained checkpoint.

    Raises:
        RunFailed: a run failed or was stopped; call again to resume it.
    """
    os.environ["DEEPSYNTH_HOME"] = str(folder.resolve())
    checkpoint = folder / "untrained"
    if not checkpoint.is_dir():
        temporary = folder / ".untrained"
        shutil.rmtree(temporary, ignore_errors=True)
        model.write(temporary)
        temporary.replace(checkpoint)
    for number, stage in enumerate(stages):
        stage_folder = folder / stage.name
        pages = draw_pages(stage_folder, stage, seed=number)
        settings = stage.training_settings() | {
            "name": f"reader-{stage.name}",
            "model.name_or_path": checkpoint.resolve(),
            "data.path": pages.resolve(),
        }
        checkpoint = complete_run("training", stage_folder / "training", settings) / "model"
    return checkpoint


def draw_pages(folder: Path, stage: Stage, *, seed: int) -> Path:
    """Draw the pages of a stage and return the folder with all their shards."""
    pages = folder / "pages"
    if pages.is_dir():
        return pages
    datasets = []
    for font_size in stage.sizes:
        texts = folder / f"texts-{font_size}.jsonl"
        if not texts.is_file():
            write_texts(texts, stage, font_size, seed=seed)
        settings = stage.page_settings(font_size) | {"source.path": texts.resolve()}
        datasets.append(complete_run("pages", folder / f"pages-{font_size}", settings) / "dataset")
    merge_shards(datasets, pages)
    return pages


def write_texts(
    path: Path, stage: Stage, font_size: int, *, seed: int, held_out: bool = False
) -> None:
    """Write text, question and answer of each page with `font_size` to a JSONL file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = seed * 1000 + font_size
    texts = documents(
        seed,
        stage.pages // len(stage.sizes),
        lines=stage.max_lines(font_size),
        held_out=held_out,
        width=stage.line_width(font_size),
    )
    temporary = path.with_suffix(".part")
    rng = random.Random(f"{seed}:questions")
    with temporary.open("w", encoding="utf-8") as file:
        for text in texts:
            question = question_about(rng, text, fraction=stage.questions)
            row = {"text": text, **question._asdict()}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    temporary.replace(path)


def merge_shards(datasets: Iterable[Path], target: Path) -> None:
    """Link the shards of several datasets into one folder, renumbered."""
    shards = [
        shard
        for dataset in datasets
        for shard in sorted((dataset / "data").glob("train-*.parquet"))
    ]
    temporary = target.with_name(f".{target.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    (temporary / "data").mkdir(parents=True)
    for number, shard in enumerate(shards):
        name = f"train-{number:05}-of-{len(shards):05}.parquet"
        (temporary / "data" / name).hardlink_to(shard)
    temporary.replace(target)


def complete_run(kind: Kind, folder: Path, settings: Mapping[str, Any]) -> Path:
    """Start, resume or wait for the run in `folder` until it is done, and return `folder`.

    Raises:
        RunFailed: the run failed or was stopped.
    """
    settings = {**settings, "output.dir": folder.resolve()}
    config = write_config(kind, folder.with_suffix(".yaml"), settings)
    while (status := run_status(folder)) == "live":
        time.sleep(POLL_SECONDS)
    if status != "done":
        command = [sys.executable, "-m", "deepsynth_tui", COMMANDS[kind], str(config)]
        process = subprocess.run([*command, *(["--resume"] if status == "ended" else [])])
        if process.returncode:
            raise RunFailed(f"the run in {folder} failed with exit code {process.returncode}")
    return folder


def write_config(kind: Kind, path: Path, settings: Mapping[str, Any]) -> Path:
    """Write `kind`.yaml of this package with `settings`, by dotted key, to `path`."""
    text = (CONFIGS / f"{kind}.yaml").read_text(encoding="utf-8")
    overrides = [f"{key}={value}" for key, value in settings.items()]
    path.write_text(load_text(text, overrides, file=f"{kind}.yaml").text, encoding="utf-8")
    return path


def run_status(folder: Path) -> RunStatus:
    """Return whether the run in `folder` is new, live, ended early or done."""
    try:
        summary = summarize(open_run(folder))
    except RunNotFound:
        return "new"
    if summary.is_live:
        return "live"
    return "done" if summary.state == "done" else "ended"
