"""The effect of `training.dataloader_num_workers`: `python -m tests.benchmarks.data_waiting`.

Trains the same run with zero, one and two workers, in turn, several times. The pages are large and
the model is small, so that loading batches takes most of the time. Prints medians; nothing is
asserted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.load import check_values
from deepsynth_tui.runs.directory import create_run
from deepsynth_tui.runs.events import parse_event
from tests.training import small_datasets, small_models

PAIRS = 3
STEPS = 20
SIDE = 1600  # pixels of a page
WORKERS = (0, 1, 2)


def measured(home: Path, model: Path, data: Path, workers: int) -> tuple[float, float]:
    """Return the seconds per step and the share of them spent waiting for data."""
    values: dict[str, Any] = {
        "kind": "training",
        "model": {"name_or_path": str(model), "dtype": "float32"},
        "data": {"path": str(data)},
        "training": {
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 1,
            "max_steps": STEPS,
            "bf16": False,
            "save_steps": STEPS,
            "dataloader_num_workers": workers,
        },
    }
    config = check_values(values).config
    assert config is not None
    text = yaml_text.dump(config.model_dump())
    run = create_run(home, kind="training", name=f"workers-{workers}", config_text=text)
    command = [sys.executable, "-m", "deepsynth_tui.training.job", str(run.path)]
    subprocess.run(command, capture_output=True, check=True)
    events: list[Any] = [e for e in map(parse_event, run.events.read_bytes().splitlines()) if e]
    took = [event.data for event in events if event.kind == "measured"][-1]
    waits = [event.data["data_wait"] for event in events if "data_wait" in event.data]
    return took["seconds_per_step"], median(waits)


def main() -> None:
    figures: dict[int, list[tuple[float, float]]] = {workers: [] for workers in WORKERS}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["DEEPSYNTH_HOME"] = str(root / "home")
        model = small_models.vision_model(root / "model")
        rows = [small_datasets.row(number, side=SIDE) for number in range(80)]
        data = small_datasets.write(root / "data", rows)
        for _ in range(PAIRS):
            for workers in WORKERS:
                figures[workers].append(measured(root / "home", model, data, workers))
    for workers, measurements in figures.items():
        step, wait = (median(values) for values in zip(*measurements, strict=True))
        print(f"{workers} workers  {step:.3f} s/step  waiting {wait:.0%}")  # noqa: T201 - a report
    for workers in WORKERS[1:]:
        pairs = zip(figures[0], figures[workers], strict=True)
        ratio = median(without[0] / others[0] for without, others in pairs)
        print(f"a step takes {ratio:.2f} x as long without {workers}")  # noqa: T201


if __name__ == "__main__":
    main()
