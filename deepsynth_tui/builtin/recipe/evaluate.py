"""What the reader is worth: pages of words that it never saw, in fonts it saw and in others."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepsynth_tui.builtin.recipe.pretrain import join, run, run_config, write_texts
from deepsynth_tui.builtin.recipe.stages import Stage

SEED = 900_000  # of the texts; lessons have seeds below
PAPER = Stage("exam", 256, 128, 6, (13, 14, 15, 16, 18), 250, 25, 1e-3)
TRIAL_PAPER = Stage("exam", 96, 64, 2, (14, 16), 8, 4, 1e-3)
SEEN: Mapping[str, Any] = {}  # what pages.yaml says
# Of the packages fonts-dejavu, fonts-noto-core and fonts-noto-cjk.
UNSEEN: Mapping[str, Any] = {
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
PARTS: Mapping[str, Mapping[str, Any]] = {"seen_fonts": SEEN, "unseen_fonts": UNSEEN}


def examine(reader: Path, folder: Path, paper: Stage = PAPER) -> dict[str, dict[str, Any]]:
    """Let the checkpoint `reader` read the examination, whose pages are kept in `folder`; return
    the figures of each part, without the answers, which are left in `folder` too.

    Raises:
        RunFailed: pages could not be drawn.
        CalledProcessError: the examination itself failed; it has said why.
    """
    figures = {}
    for part, settings in PARTS.items():
        pages = exam_pages(folder / part, paper, settings)
        given = paper.training_settings() | {
            "model.name_or_path": reader.resolve(),
            "data.path": pages.resolve(),
            "data.eval_fraction": 0,
        }
        config = run_config("training", folder / part / "exam.yaml", given)
        out = folder / f"{part}.json"
        module = "deepsynth_tui.training.evaluation.evaluate"
        subprocess.run([sys.executable, "-m", module, str(config), str(out)], check=True)
        figures[part] = json.loads(out.read_text(encoding="utf-8"))
        del figures[part]["answers"]
    return figures


def exam_pages(place: Path, paper: Stage, settings: Mapping[str, Any]) -> Path:
    """Draw the pages of one part; return their folder."""
    whole = place / "pages"
    if whole.is_dir():
        return whole
    made = []
    for size in paper.sizes:
        source = place / f"texts-{size}.jsonl"
        write_texts(source, paper, size, seed=SEED, held_out=True)
        given = {**paper.page_settings(size), "source.path": source.resolve(), **settings}
        made.append(run("pages", place / f"pages-{size}", given) / "dataset")
    join(made, whole)
    return whole
