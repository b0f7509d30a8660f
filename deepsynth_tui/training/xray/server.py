"""Child process that makes an x-ray; see `deepsynth_tui.child_process`.

The question is a training configuration, the answer an `Xray`. No weights are loaded and no dataset
is downloaded; tokenizer and processor of the model are, if they are not on this machine.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from deepsynth_tui.child_process import serve
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.training.failures import TrainingError, explain_as_user_error


def xray(config: TrainingConfig) -> dict[str, Any]:
    """Return the x-ray of the first batch of `config` as JSON fields.

    Raises:
        TrainingError: the dataset is not on this machine, or its rows cannot be used.
        OSError: tokenizer or processor of the model cannot be loaded.
    """
    from transformers import AutoConfig

    from deepsynth_tui import builtin
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import load_split
    from deepsynth_tui.training.modeling.processor import load_preprocessor_offline_first
    from deepsynth_tui.training.xray.first_batch import xray_first_batch

    preprocessor = load_preprocessor_offline_first(config)
    try:
        split = load_split(config, images=preprocessor.reads_images)
    except ConnectionError as error:
        raise TrainingError(
            f"{config.dataset_paths} is not on this machine, and an x-ray downloads no dataset",
            "Download it with `hf download`, or start the run, which downloads it.",
        ) from error
    model_config = AutoConfig.from_pretrained(
        builtin.locate(config.model.name_or_path),
        revision=config.model.revision,
        trust_remote_code=config.model.trust_remote_code,
    )
    collator = Collator(preprocessor, config)
    return xray_first_batch(config, collator, split, model_config).to_json()


def _answer(question: Any) -> dict[str, Any]:
    # Read on import: downloads no dataset, and uses no GPU that a run may be using.
    os.environ |= {"HF_DATASETS_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    from deepsynth_tui.training.silence_libraries import silence_libraries

    silence_libraries()
    return xray(TrainingConfig.model_validate(question))


def main() -> int:
    """Answer the question on stdin and return the exit status."""
    return serve(_answer, explain=explain_as_user_error)


if __name__ == "__main__":
    sys.exit(main())
