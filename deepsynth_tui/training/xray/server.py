"""Child process of an x-ray: a training configuration as JSON on stdin, the first batch on stdout.

``python -m deepsynth_tui.training.xray.server`` prints one object: an `Xray`, or
``{"message", "advice"}`` and exit status 1. No weights are read and no dataset is downloaded; the
model's tokenizer and processor are, where they are not on this machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from typing import Any

from deepsynth_tui.config.training import TrainingConfig


def look(config: TrainingConfig) -> dict[str, Any]:
    """X-ray the first batch of `config`.

    Raises:
        TrainingError: the dataset is not on this machine, or its rows cannot be used.
        OSError: the model's tokenizer or processor cannot be had.
    """
    from transformers import AutoConfig

    from deepsynth_tui import builtin
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import load_rows
    from deepsynth_tui.training.failures import TrainingError
    from deepsynth_tui.training.modeling.processor_offline_first import load_processor_offline_first
    from deepsynth_tui.training.xray.first_batch import xray

    reader = load_processor_offline_first(config)
    try:
        split = load_rows(config.data, images=reader.reads_images)
    except ConnectionError as error:
        raise TrainingError(
            f"{config.data.path} is not on this machine, and an x-ray downloads no dataset",
            "Download it with `hf download`, or start the run, which does.",
        ) from error
    architecture = AutoConfig.from_pretrained(
        builtin.locate(config.model.name_or_path),
        revision=config.model.revision,
        trust_remote_code=config.model.trust_remote_code,
    )
    return xray(config, Collator(reader, config), split, architecture).to_json()


def main() -> int:
    """Answer the configuration on stdin; the exit status is 1 if nothing can be shown."""
    # Libraries that print must not spoil the one object on stdout.
    with contextlib.redirect_stdout(sys.stderr):
        # Read on import: no dataset is downloaded, and no GPU that a run may be using is touched.
        os.environ |= {"HF_DATASETS_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
        said, status = answer(TrainingConfig.model_validate_json(sys.stdin.read()))
    print(json.dumps(said))  # noqa: T201 - the answer of this process
    return status


def answer(config: TrainingConfig) -> tuple[dict[str, Any], int]:
    """The x-ray or the reason why there is none, and the exit status."""
    from deepsynth_tui.training.failures import explain
    from deepsynth_tui.training.silence_libraries import silence_libraries

    silence_libraries()
    try:
        return look(config), 0
    except Exception as error:  # noqa: BLE001 - the process boundary: told, and exit status 1
        traceback.print_exc()
        failure = explain(error)
        return {"message": failure.message, "advice": failure.advice}, 1


if __name__ == "__main__":
    sys.exit(main())
