"""`python -m deepsynth_tui.builtin.recipe FOLDER`: make the reader in FOLDER, or go on with it."""

from __future__ import annotations

import argparse
from pathlib import Path

from deepsynth_tui.builtin.recipe.pretrain import pretrain
from deepsynth_tui.builtin.recipe.stages import TRIAL, stages


def main() -> None:
    """Parse the arguments and take the course."""
    parser = argparse.ArgumentParser(prog="python -m deepsynth_tui.builtin.recipe")
    parser.add_argument("folder", type=Path, help="where texts, pages and runs go")
    parser.add_argument("--trial", action="store_true", help="every part, in a minute")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    pretrain(given.folder, TRIAL if given.trial else stages())


if __name__ == "__main__":
    main()
