"""Evaluate the model on held-out words, in fonts seen in training and in other fonts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepsynth_tui.builtin.recipe.pretrain import (
    complete_run,
    merge_shards,
    write_config,
    write_texts,
)
from deepsynth_tui.builtin.recipe.stages import Stage

SEED = 900_000  # of the texts; training uses smaller seeds
EVALUATION = Stage("evaluation", 256, 128, 6, (13, 14, 15, 16, 18), 250, 25, 1e-3)
TRIAL_EVALUATION = Stage("evaluation", 96, 64, 2, (14, 16), 8, 4, 1e-3)
SEEN_FONTS: Mapping[str, Any] = {}  # those in pages.yaml
# From the packages fonts-dejavu, fonts-noto-core and fonts-noto-cjk.
UNSEEN_FONTS: Mapping[str, Any] = {
    "page.fonts": dict.fromkeys(
        (
            "DejaVu Sans Condensed",
            "DejaVu Sans Oblique",
            "DejaVu Serif Condensed",
            "DejaVu Serif Italic",
            "DejaVu Sans Mono Bold",
            "Noto Sans Display",
            "Noto Serif Italic",
            "Noto Serif Display",
            "Noto Sans CJK",
            "Noto Serif CJK",
        ),
        1,
    )
}
PARTS: Mapping[str, Mapping[str, Any]] = {"seen_fonts": SEEN_FONTS, "unseen_fonts": UNSEEN_FONTS}


def evaluate(
    checkpoint: Path, folder: Path, evaluation: Stage = EVALUATION
) -> dict[str, dict[str, Any]]:
    """Return the metrics of `checkpoint` on each part of `PARTS`.

    Pages, answers and metrics are kept in `folder`.

    Raises:
        RunFailed: a dataset run failed.
        CalledProcessError: the evaluation process failed; its error is on stderr.
    """
    metrics = {}
    for part, font_settings in PARTS.items():
        pages = _draw_pages(folder / part, evaluation, font_settings)
        settings = evaluation.training_settings() | {
            "model.name_or_path": checkpoint.resolve(),
            "data.path": pages.resolve(),
            "data.eval_fraction": 0,
        }
        config = write_config("training", folder / part / "evaluation.yaml", settings)
        output = folder / f"{part}.json"
        module = "deepsynth_tui.training.evaluation.evaluate"
        subprocess.run([sys.executable, "-m", module, str(config), str(output)], check=True)
        metrics[part] = json.loads(output.read_text(encoding="utf-8"))
        del metrics[part]["answers"]
    return metrics


def _draw_pages(folder: Path, evaluation: Stage, font_settings: Mapping[str, Any]) -> Path:
    """Draw the pages of one part and return their folder."""
    pages = folder / "pages"
    if pages.is_dir():
        return pages
    datasets = []
    for font_size in evaluation.sizes:
        texts = folder / f"texts-{font_size}.jsonl"
        write_texts(texts, evaluation, font_size, seed=SEED, held_out=True)
        settings = {
            **evaluation.page_settings(font_size),
            "source.path": texts.resolve(),
            **font_settings,
        }
        datasets.append(complete_run("pages", folder / f"pages-{font_size}", settings) / "dataset")
    merge_shards(datasets, pages)
    return pages
