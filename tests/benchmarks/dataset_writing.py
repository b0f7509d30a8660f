"""Time and memory of writing a document apart from drawing, and the gain of a second process.

`python -m tests.benchmarks.dataset_writing [DOCUMENTS]` prints, for pages of 1024 x 1024:
- milliseconds a document with pages that were drawn before: all steps of the pipeline but drawing;
- the growth of memory from 1,000 documents to DOCUMENTS, with pages that were drawn before;
- the time of drawing with one process over that with two, five times, with the machine's load.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.draw_document import DrawnDocument, cached_renderer, draw_document
from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.reading.sources import Document
from deepsynth_tui.dataset.writing import shards
from tests.dataset.recorder import Recorder

WORDS = "The tide had left a line of foam along the dyke, and the children ran after it. "
PARALLEL_DOCUMENTS = 4000


def source(path: Path, count: int) -> Path:
    """Write documents of about 2,400 characters."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            file.write(json.dumps({"id": f"d{number}", "text": f"{number}. {WORDS * 30}"}) + "\n")
    return path


def configuration(path: Path, **changes: object) -> DatasetConfig:
    """Return the settings for `path`."""
    return DatasetConfig.model_validate({"source": {"path": str(path)}, **changes})


def drawn_before(count: int, folder: Path) -> tuple[float, int]:
    """Return milliseconds a document and peak memory in bytes; the page is drawn before."""
    settings = configuration(source(folder / "a.jsonl", count))
    page = draw_document(Document("one", WORDS * 30, None), settings, cached_renderer(settings))
    assert isinstance(page, DrawnDocument)
    shards.draw_document = lambda document, config, draws: page
    start = time.perf_counter()
    generate(settings, folder / "out", Recorder())
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return 1000 * seconds / count, peak


def drawing(folder: Path, num_proc: int) -> float:
    """Return the seconds that `generate` takes, with the start of its processes."""
    output = {"shard_size": PARALLEL_DOCUMENTS // 8}
    settings = configuration(folder / "a.jsonl", num_proc=num_proc, output=output)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=folder) as out:
        generate(settings, Path(out) / "out", Recorder())
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--alone"]:
        with tempfile.TemporaryDirectory() as folder:
            sys.stdout.write(json.dumps(drawn_before(int(sys.argv[2]), Path(folder))))
        return
    most = int(sys.argv[1]) if sys.argv[1:] else 20_000
    peaks = []
    for count in (1000, most):
        argv = [sys.executable, "-m", "tests.benchmarks.dataset_writing", "--alone", str(count)]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        each, peak = json.loads(done.stdout)
        peaks.append(peak)
        sys.stdout.write(f"{count} documents: {each:.3f} ms each, peak {peak / 2**20:.0f} MiB\n")
    sys.stdout.write(f"memory grows by {(peaks[1] - peaks[0]) / 2**20:.1f} MiB\n")
    with tempfile.TemporaryDirectory() as place:
        source(Path(place) / "a.jsonl", PARALLEL_DOCUMENTS)
        ratios = []
        for _ in range(5):
            one_process, two_processes = drawing(Path(place), 1), drawing(Path(place), 2)
            ratios.append(one_process / two_processes)
            load = os.getloadavg()[0]
            sys.stdout.write(
                f"1: {one_process:.2f} s, 2: {two_processes:.2f} s, {ratios[-1]:.2f}x, "
                f"load {load:.1f}\n"
            )
        sys.stdout.write(f"two processes: {statistics.median(ratios):.2f}x (median)\n")


if __name__ == "__main__":
    main()
