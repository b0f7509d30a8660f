"""Train the model in FOLDER, or resume: `python -m deepsynth_tui.builtin.recipe FOLDER`.

At the end FOLDER/reader holds the files of `builtin/tiny-vlm`, with model card and figures. The
exit code is 0 if the character error rate is low enough to ship the model.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deepsynth_tui.builtin.recipe.evaluate import EVALUATION, TRIAL_EVALUATION, evaluate
from deepsynth_tui.builtin.recipe.export import export_float16, write_card_and_figures
from deepsynth_tui.builtin.recipe.pretrain import pretrain
from deepsynth_tui.builtin.recipe.stages import TRIAL, stages


def main() -> int:
    """Parse the arguments, train and evaluate the model, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deepsynth_tui.builtin.recipe")
    parser.add_argument("folder", type=Path, help="folder for texts, pages and runs")
    parser.add_argument("--trial", action="store_true", help="test the recipe in a minute")
    options = parser.parse_args()
    folder: Path = options.folder
    training_stages = TRIAL if options.trial else tuple(stages())
    folder.mkdir(parents=True, exist_ok=True)
    trained = pretrain(folder, training_stages)
    exported = folder / "reader"
    parameters = export_float16(trained, exported)
    evaluation = TRIAL_EVALUATION if options.trial else EVALUATION
    metrics = evaluate(exported, folder / "evaluation", evaluation)
    good_enough = write_card_and_figures(exported, folder, training_stages, parameters, metrics)
    for part, values in metrics.items():
        interval = f"{values['cer_low']:.2%} to {values['cer_high']:.2%}"
        sys.stdout.write(f"{part}: character error rate {values['cer']:.2%} ({interval})\n")
    return 0 if good_enough else 1


if __name__ == "__main__":
    sys.exit(main())
