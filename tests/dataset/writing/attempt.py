"""Generate a dataset and print the failure, if any, as a job would.

`python -m tests.dataset.writing.attempt CONFIG FOLDER`
"""

from __future__ import annotations

import sys
from pathlib import Path

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.job import explain
from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.writing import disk_space
from tests.dataset.recorder import Recorder

if __name__ == "__main__":
    disk_space.RESERVE_BYTES = -(1 << 40)  # start even if the disk is too small
    folder = Path(sys.argv[2])
    try:
        generate(DatasetConfig.model_validate_json(sys.argv[1]), folder, Recorder())
    except Exception as error:  # noqa: BLE001 - as `run_job` does
        failure = explain(error, folder)
        sys.stdout.write(f"{failure.class_name}\n{failure.message}\n{failure.advice}\n")
        sys.exit(1)
