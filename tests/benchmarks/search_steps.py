"""Steps of a search for a learning rate against those of a full grid, on the task of the demo.

`python -m tests.benchmarks.search_steps [--steps N] [--grid N] [--seeds N] [--folder DIR]` runs the
grid, then a search of eight trials with pruning over the same range, and prints the loss of the
best of each and the steps that both took. A folder that holds finished searches is not trained
again.

Near the end of training, the loss of one run is noise: neighbours in the grid differ by a factor of
two or more. The rate that the search found and the three best of the grid are therefore trained
again with other seeds, and compared by the means of their losses.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from deepsynth_tui.config.presets import presets_dir
from deepsynth_tui.runs.directory import open_run
from deepsynth_tui.runs.state_reader import StateReader

LOW, HIGH = 3e-4, 3e-2
"""A tenth and ten times the learning rate of the demo: what a search tries by default."""
EVALUATIONS = 8
HELD_OUT = 48
"""Pages that the demo holds out."""


def command(folder: Path, *arguments: str) -> str:
    """Run a command of the program in the home of the benchmark; return its output."""
    env = {**os.environ, "DEEPSYNTH_HOME": str(folder)}
    argv = [sys.executable, "-m", "deepsynth_tui", *arguments]
    return subprocess.run(argv, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def write_base(folder: Path, steps: int) -> None:
    """Write the demo's training run, shorter, in smaller batches, and without generated answers."""
    base = yaml.safe_load((presets_dir() / "demo" / "training.yaml").read_text())
    base["data"]["path"] = str(folder / "pages")
    base["data"]["max_eval_samples"] = 16
    base["training"] |= {
        "per_device_train_batch_size": 4,
        "max_steps": steps,
        "warmup_steps": max(1, steps // 10),
        "eval_steps": max(1, steps // EVALUATIONS),
        "eval_on_start": False,
        "generate_eval_samples": 0,
        "show_samples": 1,
    }
    (folder / "base.yaml").write_text(yaml.safe_dump(base))


def run_search(folder: Path, name: str, **settings: Any) -> dict[str, Any]:
    """Run a search, or continue it, and return its results."""
    rates = {"low": LOW, "high": HIGH, "log": True}
    output = folder / name
    search = {
        "kind": "search",
        "name": name,
        "base": "base.yaml",
        "parameters": {"training.learning_rate": rates},
        "output": {"dir": str(output)},
        **settings,
    }
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(search))
    resume = ["--resume"] if output.exists() else []
    return json.loads(command(folder, "search", str(file), "--json", *resume))


def losses(folder: Path, rate: float, seeds: int) -> list[float]:
    """Train with a learning rate and several seeds, and return the losses on held-out pages."""
    values: list[float] = []
    for seed in range(seeds):
        output = folder / "seeds" / f"{rate:.3e}-{seed}"
        if not output.exists():
            changes = {
                "training.learning_rate": rate,
                "training.seed": seed,
                "output.dir": output,
                "data.max_eval_samples": HELD_OUT,
            }
            options = [
                part for key, value in changes.items() for part in ("--set", f"{key}={value}")
            ]
            command(folder, "train", str(folder / "base.yaml"), *options)
        reader = StateReader(open_run(output))
        reader.poll()
        value = reader.state.results["eval_loss"]
        assert isinstance(value, float)
        values.append(value)
    return values


def mean_loss(folder: Path, rate: float, seeds: int) -> float:
    """Print the losses of a learning rate with several seeds, and return their mean."""
    values = losses(folder, rate, seeds)
    mean = statistics.mean(values)
    text = ", ".join(f"{loss:.4f}" for loss in values)
    print(f"{rate:.2e}, all {HELD_OUT} held-out pages: mean {mean:.4f} of {text}")  # noqa: T201
    return mean


def best_rates(grid: dict[str, Any]) -> list[float]:
    """Return the learning rates of the three best trials of the grid."""
    trials = sorted(grid["trials"], key=lambda trial: trial["score"])
    return [trial["values"]["training.learning_rate"] for trial in trials[:3]]


def main() -> None:
    """Run both and compare them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=24, help="steps of a whole trial")
    parser.add_argument("--grid", type=int, default=8, help="learning rates of the grid")
    parser.add_argument("--seeds", type=int, default=4, help="runs of each rate that was found")
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="search-steps-"))
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "pages").exists():
        pages = str(presets_dir() / "demo" / "dataset.yaml")
        command(folder, "generate", pages, "--set", f"output.dir={folder / 'pages'}")
    write_base(folder, options.steps)
    grid = run_search(folder, "grid", method="grid", pruner="none", trials=options.grid)
    search = run_search(folder, "search", trials=8, pruner="halving")
    for name, results in (("grid", grid), ("search", search)):
        rate = results["best_values"]["training.learning_rate"]
        print(  # noqa: T201
            f"{name:<8}{len(results['trials'])} trials, {results['steps']} steps, best "
            f"eval_loss {results['best_score']:.4f} at learning rate {rate:.2e}"
        )
    found = mean_loss(folder, search["best_values"]["training.learning_rate"], options.seeds)
    best = min(mean_loss(folder, rate, options.seeds) for rate in best_rates(grid))
    print(  # noqa: T201
        f"The search took {search['steps'] / grid['steps']:.0%} of the steps of the grid; its loss "
        f"differs from that of the grid by {search['best_score'] / grid['best_score'] - 1:+.1%}, "
        f"over {options.seeds} seeds by {found / best - 1:+.1%}."
    )


if __name__ == "__main__":
    main()
