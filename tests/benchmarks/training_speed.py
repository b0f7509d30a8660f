"""Our steps against a plain script's: `python -m tests.benchmarks.training_speed [MODEL ...]`.

Trains LoRA on models of released families, scaled down to a hundredth of the work, on a few pages:
with the job, and with a script of transformers and PEFT with gradient checkpointing; with TRL's
SFTTrainer, too, if TRL is installed. They take turns, `--turns` times. Compared are CPU seconds of
a step in one thread, the median from the second pass over the pages on, and of the whole process.
Nothing is asserted. `training_flops` compares full sizes.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.fields import fields_by_key
from deepsynth_tui.config.load import load_text
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs.directory import create_run
from tests.benchmarks import page_rows, random_checkpoint

SIDE = 512  # pixels of a page
ANSWER = 128  # characters, which are tokens here
ROWS, PASSES = 2, 3
STEPS = ROWS * PASSES
PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of a step from the second pass on and of the process; its peak in bytes."""

    step: float
    total: float
    peak: int
    last_loss: float


def contenders() -> dict[str, Mapping[str, Any]]:
    """Return the settings of each way to run our job, of those that this version has."""
    ways: dict[str, Mapping[str, Any]] = {"ours": {}}
    if "training.cache_features" in fields_by_key(TrainingConfig):
        ways["ours, features cached"] = {"training.cache_features": "on"}
        ways["ours, not cached"] = {"training.cache_features": "off"}
    return ways


def run_plain(model: Path, data: Path, *arguments: str) -> Cost:
    """Run the plain script."""
    script = "tests.benchmarks.plain_page_training"
    return _run(model.parent, ["-m", script, str(model), str(data), str(STEPS), *arguments])


def run_job(home: Path, model: Path, data: Path, settings: Mapping[str, Any]) -> Cost:
    """Run our job with `settings` by dotted key."""
    values: dict[str, Any] = {
        "kind": "training",
        "name": "ours",
        "model": {"name_or_path": str(model), "dtype": "float32"},
        "lora": {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0},
        "data": {"path": str(data), "max_length": 8192},
        "training": {
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": 1,
            "max_steps": STEPS,
            "learning_rate": 2e-4,
            "bf16": False,
            "save_steps": STEPS,
        },
    }
    for key, value in settings.items():
        values = yaml_text.with_value(values, key, value)
    text = load_text(yaml_text.dump(values)).text
    run = create_run(home, kind="training", name="ours", config_text=text)
    return _run(home, ["-m", "tests.benchmarks.timed_job", str(run.path)])


def _run(home: Path, arguments: Sequence[str]) -> Cost:
    one_thread = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    one_thread |= {"DEEPSYNTH_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | one_thread,
    )
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-4000:])
    figures = json.loads(done.stdout.splitlines()[-1])
    later = figures["steps"][ROWS:]
    return Cost(median(later), figures["total"], figures["peak"], figures["losses"][-1])


def compare(name: str, root: Path, turns: int) -> dict[str, list[Cost]]:
    """Return the costs of each contender, one for each turn."""
    model = random_checkpoint.write(root / "model", name, scaled=True)
    data = page_rows.write(root / "data", ROWS, width=SIDE, height=SIDE, answer=ANSWER)
    costs: dict[str, list[Cost]] = {}
    # TRL needs a chat template, and DeepSeek-OCR-2 has none.
    has_trl = importlib.util.find_spec("trl") and (model / "chat_template.jinja").exists()
    for turn in range(turns):
        costs.setdefault(PLAIN, []).append(run_plain(model, data))
        if has_trl:
            costs.setdefault("TRL", []).append(run_plain(model, data, "trl"))
        for way, settings in contenders().items():
            home = root / f"{way} {turn}"  # without the features of the last turn
            costs.setdefault(way, []).append(run_job(home, model, data, settings))
    return costs


def lines(name: str, costs: Mapping[str, Sequence[Cost]]) -> Iterator[str]:
    """Yield the median costs of each contender, and how many times a plain step they do."""
    yield f"{name}{'':4}{'s/step':>8} {'ratio':>7} {'process s':>10} {'peak MiB':>9} {'loss':>8}"
    for way, turns in costs.items():
        pairs = zip(costs[PLAIN], turns, strict=True)
        ratio = median(plain.step / ours.step for plain, ours in pairs)
        step, total = (median(getattr(cost, part) for cost in turns) for part in ("step", "total"))
        peak, loss = median(cost.peak for cost in turns) / 2**20, turns[-1].last_loss
        yield f"  {way:24} {step:8.2f} {ratio:6.2f}x {total:10.1f} {peak:9.0f} {loss:8.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.training_speed")
    parser.add_argument("models", nargs="*", default=list(random_checkpoint.SCALED))
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    for name in options.models:
        with tempfile.TemporaryDirectory() as folder:
            costs = compare(name, Path(folder), options.turns)
        print("\n".join(lines(name, costs)), flush=True)  # noqa: T201 - a report


if __name__ == "__main__":
    main()
