"""CPU seconds of the demo, with other settings in turn: `python -m tests.benchmarks.demo_time`.

Draws the pages once, then trains as the demo does, and as it does with the settings of each
`--against "KEY=VALUE ..."`; these take turns, `--turns` times, in one thread each. Prints the
medians of CPU seconds of the whole job and of a step, the ratio to the demo within each turn, and
the exact matches on the held-out pages. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import itertools
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

from deepsynth_tui.config.load import load_file
from deepsynth_tui.config.presets import presets_dir
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.events import parse_event

DEMO = "the demo"


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of a training job and of a step; the share of exact matches at its end."""

    total: float
    step: float
    exact_match: float


def create(home: Path, kind: str, overrides: Sequence[str] = ()) -> RunDirectory:
    """Create a run of the demo."""
    loaded = load_file(presets_dir() / "demo" / f"{kind}.yaml", overrides)
    return create_run(home, kind=kind, name=f"demo-{kind}", config_text=loaded.text)


def run(home: Path, module: str, path: Path) -> str:
    """Run a job in one thread and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", module, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ
        | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "DEEPSYNTH_HOME": str(home)},
    )
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return done.stdout


def train(home: Path, pages: RunDirectory, overrides: Sequence[str]) -> Cost:
    """Train as the demo does, with other settings, and return what that costs."""
    trained = create(home, "training", [f"data.path={pages.path}", *overrides])
    figures = json.loads(run(home, "tests.benchmarks.timed_job", trained.path).splitlines()[-1])
    lines = trained.events.read_bytes().splitlines()
    events = [event for line in lines if (event := parse_event(line))]
    done: Any = [event.data for event in events if event.kind == "done"][-1]
    return Cost(figures["total"], median(figures["steps"]), done["eval_exact_match"])


def report(costs: Mapping[str, Sequence[Cost]]) -> Iterator[str]:
    """Yield a line for each way to run the demo."""
    yield f"{'total s':>8} {'s/step':>7} {'ratio':>6} {'exact':>6}"
    for way, turns in costs.items():
        pairs = zip(costs[DEMO], turns, strict=True)
        ratio = median(demo.total / other.total for demo, other in pairs)
        total, step = median(c.total for c in turns), median(c.step for c in turns)
        exact = median(cost.exact_match for cost in turns)
        yield f"{total:8.1f} {step:7.2f} {ratio:6.2f} {exact:6.1%}  {way}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.demo_time")
    parser.add_argument("--against", action="append", default=[], metavar="KEY=VALUE ...")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    ways = {DEMO: [], **{text: text.split() for text in options.against}}
    costs: dict[str, list[Cost]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "pages"
        pages = create(home, "dataset")
        run(home, "deepsynth_tui.dataset.job", pages.path)
        for _, way in itertools.product(range(options.turns), ways):
            home = Path(tempfile.mkdtemp(dir=folder))  # without the features of the last turn
            costs[way].append(train(home, pages, ways[way]))
    print("\n".join(report(costs)))  # noqa: T201 - a report


if __name__ == "__main__":
    main()
