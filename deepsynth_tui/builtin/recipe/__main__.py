"""`python -m deepsynth_tui.builtin.recipe FOLDER`: make the reader in FOLDER, or go on with it.

At the end FOLDER/reader is what `builtin/tiny-vlm` takes, with its card and figures, and the exit
code says whether it reads well enough for that.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deepsynth_tui.builtin.recipe.evaluate import PAPER, TRIAL_PAPER, examine
from deepsynth_tui.builtin.recipe.export import describe, halve
from deepsynth_tui.builtin.recipe.pretrain import pretrain
from deepsynth_tui.builtin.recipe.stages import TRIAL, stages


def main() -> int:
    """Parse the arguments, take the course and examine what came of it; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deepsynth_tui.builtin.recipe")
    parser.add_argument("folder", type=Path, help="where texts, pages and runs go")
    parser.add_argument("--trial", action="store_true", help="every part, in a minute")
    given = parser.parse_args()
    folder: Path = given.folder
    course = TRIAL if given.trial else tuple(stages())
    folder.mkdir(parents=True, exist_ok=True)
    trained = pretrain(folder, course)
    reader = folder / "reader"
    parameters = halve(trained, reader)
    marks = examine(reader, folder / "exam", TRIAL_PAPER if given.trial else PAPER)
    reached = describe(reader, folder, course, parameters, marks)
    for part, mark in marks.items():
        interval = f"{mark['cer_low']:.2%} to {mark['cer_high']:.2%}"
        sys.stdout.write(f"{part}: {mark['cer']:.2%} of characters wrong ({interval})\n")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
