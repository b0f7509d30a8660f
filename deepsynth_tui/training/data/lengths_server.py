"""Child process that counts the tokens of a dataset's rows; see `deepsynth_tui.child_process`.

The question is a training configuration, the answer a `RowStatistics`. Rows are counted as the
trainer encodes them. No weights are loaded and no dataset is downloaded; tokenizer and processor
of the model are, if they are not on this machine.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from deepsynth_tui.child_process import serve
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.training.failures import explain_as_user_error

# Counting ends after this time; the note says how many rows were counted.
MAX_SECONDS = 10.0


def row_statistics(config: TrainingConfig) -> RowStatistics:
    """Count the tokens of the rows that `config` trains on.

    Without the model's processor only the number of rows is known. Nothing is known of a dataset
    that would have to be downloaded.

    Raises:
        TrainingError: there is no such folder or run, or its rows cannot be used.
    """
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import load_split
    from deepsynth_tui.training.data.measure_rows import measure_rows
    from deepsynth_tui.training.data.open_datasets import open_training_datasets
    from deepsynth_tui.training.modeling.processor import load_preprocessor_offline_first

    try:
        total = len(open_training_datasets(config))
    except ConnectionError:
        return RowStatistics(
            note=f"No row was counted: {config.dataset_paths} is not on this machine, and an "
            "estimate downloads no dataset."
        )
    try:
        preprocessor = load_preprocessor_offline_first(config)
    except OSError as error:
        note = f"No row was counted: {str(error).splitlines()[0]}"
        return RowStatistics(rows=total, note=note)
    split = load_split(config, images=preprocessor.reads_images)
    return measure_rows(split.train, Collator(preprocessor, config), max_seconds=MAX_SECONDS)


def _answer(question: Any) -> dict[str, Any]:
    os.environ["HF_DATASETS_OFFLINE"] = "1"  # read on import: an estimate downloads no dataset
    from deepsynth_tui.training.silence_libraries import silence_libraries

    silence_libraries()
    return row_statistics(TrainingConfig.model_validate(question)).to_json()


def main() -> int:
    """Answer the question on stdin and return the exit status."""
    return serve(_answer, explain=explain_as_user_error)


if __name__ == "__main__":
    sys.exit(main())
