"""Counting rows before training: `python -m tests.benchmarks.row_counting [ROWS]`.

Compares reading only the headers of the images, decoding all of them in the process itself, and
decoding them in 1, 2, ... worker processes, in turn, several times. The pages are of text, as PNG
of 1024 x 1024 pixels. Prints medians of the time that passes and of the CPU time of all processes,
which shows the cost of workers on a machine that does other things, too; nothing is asserted.
"""

from __future__ import annotations

import io
import os
import resource
import sys
import tempfile
import time
from operator import truediv
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from deepsynth_tui.config.load import check_values
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.training.data.collator import Collator
from deepsynth_tui.training.data.count_rows import available_cpus, iterate_counted
from deepsynth_tui.training.data.dataset import Rows, load_split
from deepsynth_tui.training.modeling.processor import load_preprocessor
from deepsynth_tui.training.silence_libraries import silence_libraries
from tests.training import small_datasets, small_models

ROUNDS = 3
SIDE = 1024
PAGES = 50  # different ones


def page(number: int) -> bytes:
    """Return a page of text, 8-bit gray."""
    image = Image.new("L", (SIDE, SIDE), 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(22)
    for line in range(30):
        text = " ".join(f"word{(number * line + word * 7919) % 9973}" for word in range(10))
        draw.text((40, 40 + 32 * line), text, fill=0, font=font)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def dataset(folder: Path, count: int) -> Path:
    """Write `count` rows of one page each."""
    pages = [{"bytes": page(number), "path": None} for number in range(PAGES)]
    rows = [
        small_datasets.row(number, side=8) | {"images": [pages[number % PAGES]]}
        for number in range(count)
    ]
    return small_datasets.write(folder, rows)


def opened(root: Path, count: int) -> tuple[Rows, Collator]:
    """Return the rows and the collator of a small model."""
    values: dict[str, Any] = {
        "kind": "training",
        "model": {"name_or_path": str(small_models.vision_model(root / "model"))},
        "data": {"path": str(dataset(root / "data", count))},
    }
    config = check_values(values).config
    assert isinstance(config, TrainingConfig)
    collator = Collator(load_preprocessor(config, local_files_only=True), config)
    return load_split(config, images=True).train, collator


def seconds(rows: Rows, collator: Collator, *, decode: bool, workers: int) -> tuple[float, float]:
    """Return the time to count all rows: what passes, and of the CPUs."""
    start, cpu_start = time.perf_counter(), cpu_seconds()
    counted = iterate_counted(rows, collator, decode=decode, workers=workers)
    assert all(row.error is None for row in counted)
    return time.perf_counter() - start, cpu_seconds() - cpu_start


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> None:
    silence_libraries()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    numbers = sorted({1, 2, available_cpus()})
    cases = {
        "headers only": {"decode": False, "workers": 0},
        "decoded, no worker": {"decode": True, "workers": 0},
        **{f"decoded, {n} workers": {"decode": True, "workers": n} for n in numbers},
    }
    figures: dict[str, list[tuple[float, float]]] = {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DEEPSYNTH_HOME"] = f"{folder}/home"
        rows, collator = opened(Path(folder), count)
        for _ in range(ROUNDS):
            for case, options in cases.items():
                figures[case].append(seconds(rows, collator, **options))
    decoded = figures["decoded, no worker"]
    print(f"{count} rows, {available_cpus()} CPUs")  # noqa: T201 - a report
    print(f"{'':22} {'elapsed':>18} {'CPU':>18}")  # noqa: T201
    for case, measured in figures.items():
        columns = [
            f"{median(times):8.2f} s {median(map(truediv, times, alone)):5.2f} x"
            for times, alone in zip(
                zip(*measured, strict=True), zip(*decoded, strict=True), strict=True
            )
        ]
        print(f"{case:22} {' '.join(columns)}")  # noqa: T201
    for who, name in ((resource.RUSAGE_SELF, "process"), (resource.RUSAGE_CHILDREN, "worker")):
        peak = resource.getrusage(who).ru_maxrss / 1024
        print(f"largest {name}: {peak:.0f} MiB resident")  # noqa: T201


if __name__ == "__main__":
    main()
