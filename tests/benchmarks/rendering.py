"""Speed, size and legibility of pages, compared with another renderer.

`python -m tests.benchmarks.rendering [--peer CHECKOUT] [--texts FOLDER] [--rounds N] [--ocr]`

Each case writes English text to a Parquet file on one core after a warm-up. Cases take turns of
TURN seconds or one file, each in its own process, so that they share no imports or heap:
- ours: a group of documents through `write_shard`, pages of 1024 x 1024;
- the peer's loop as shipped (a checkout of bacoco/DeepSynth, run in place): its converter, a list,
  a pickle written and read, its `_build_dataset`, `to_parquet`; and the same with each image
  resized to 1024 x 1024 by its own `_resize_with_padding`;
- without a checkout: a plain loop with Pillow's `ImageDraw`, at 1024 x 1024.

`--texts` is a folder of .html or .txt files (default: that of the Debian package debian-handbook).
`--ocr` adds character error rates of tesseract at several lengths.
"""

from __future__ import annotations

import argparse
import io
import os
import pickle
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import inscriptis
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFont
from rapidfuzz.distance import Levenshtein

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.drawing.font_files import BUNDLED_FONT
from deepsynth_tui.dataset.drawing.renderer import Renderer
from deepsynth_tui.dataset.reading.sources import Document
from deepsynth_tui.dataset.writing.document_batches import DocumentBatch
from deepsynth_tui.dataset.writing.shards import write_shard

HANDBOOK = Path("/usr/share/doc/debian-handbook/html/en-US")
SIDE = 1024
# A shard of the default size.
DOCUMENTS = 500
MEAN_CHARACTERS = 2000
OCR_LENGTHS = (1000, 4000, 6000, 8000, 20_000)

TURN = 5.0

Case = Callable[[list[str], Path], Path]


def corpus(folder: Path, count: int) -> list[str]:
    """Return `count` documents of 500 to 3,500 characters from the texts in `folder`."""
    whole = read_all(folder)
    rng = random.Random(0)
    documents: list[str] = []
    at = 0
    while len(documents) < count:
        length = rng.randint(500, 2 * MEAN_CHARACTERS - 500)
        if at + length > len(whole):
            raise SystemExit(f"{folder} holds too little text for {count} documents")
        documents.append(whole[at : at + length])
        at += length
    return documents


def read_all(folder: Path) -> str:
    """Return the text of every file in `folder`."""
    if not folder.is_dir():
        raise SystemExit(f"{folder} is not there: give --texts, or install debian-handbook")
    texts = [
        inscriptis.get_text(path.read_text("utf-8")) if path.suffix == ".html" else path.read_text()
        for path in sorted(folder.iterdir())
        if path.suffix in (".html", ".txt")
    ]
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", "\n".join(texts)))


def ours(texts: list[str], folder: Path) -> Path:
    """Draw and write `texts` with this package."""
    documents = tuple(Document(f"d{n}", text, None) for n, text in enumerate(texts))
    group = DocumentBatch("train", 0, documents, frozenset(), "")
    write_shard(group, DatasetConfig(), folder, lambda done: None)
    return folder / "train-00000.parquet"


def pillow(texts: list[str], folder: Path) -> Path:
    """Draw with Pillow alone: lines wrapped by characters, RGB, the default PNG settings."""
    font = ImageFont.truetype(BUNDLED_FONT, 15)
    files = []
    for text in texts:
        image = Image.new("RGB", (SIDE, SIDE), "white")
        pen = ImageDraw.Draw(image)
        lines = [line for part in text.split("\n") for line in textwrap.wrap(part, 110) or [""]]
        for row, line in enumerate(lines):
            pen.text((40, 40 + row * 18), line, "black", font)
        file = io.BytesIO()
        image.save(file, "PNG")
        files.append({"image": {"bytes": file.getvalue(), "path": None}, "text": text})
    path = folder / "pillow.parquet"
    pq.write_table(pa.Table.from_pylist(files), path)
    return path


@cache
def cases(checkout: Path | None) -> dict[str, Case]:
    """Return the compared cases by name, ours first."""
    return {"ours": ours, **(peer_cases(checkout) if checkout else {"Pillow": pillow})}


def peer_cases(checkout: Path) -> dict[str, Case]:
    """Return the peer's loop as shipped, and at our size."""
    sys.path.insert(0, str(checkout / "src"))
    shards: Any = __import__("deepsynth.data.hub.shards", fromlist=["HubShardManager"])
    pipeline: Any = __import__("deepsynth.pipelines._dataset_processor", fromlist=["x"])
    converter = pipeline.OptimizedConverter()

    def loop(texts: list[str], folder: Path, *, resized: bool) -> Path:
        batch = []
        for index, text in enumerate(texts):
            image = converter.convert(text)
            if resized:
                image = converter._resize_with_padding(image, (SIDE, SIDE))
            batch.append({
                "text": text, "summary": text, "image": image, "source_dataset": "x",
                "original_split": "train", "original_index": index,
            })  # fmt: skip
        (folder / "batch.pkl").write_bytes(pickle.dumps(batch))
        samples = pickle.loads((folder / "batch.pkl").read_bytes())  # noqa: S301
        path = folder / "peer.parquet"
        shards.HubShardManager._build_dataset(None, samples).to_parquet(path)
        return path

    return {
        "peer as shipped": lambda texts, folder: loop(texts, folder, resized=False),
        f"peer at {SIDE} x {SIDE}": lambda texts, folder: loop(texts, folder, resized=True),
    }


def turn(name: str, checkout: Path | None, texts: list[str]) -> tuple[float, int]:
    """Return the mean seconds per file in a turn, and the size of a file in bytes.

    Runs in a process that runs only this case.
    """
    case, taken, size = cases(checkout)[name], [], 0
    while sum(taken) < TURN:
        os.sync()  # so that no case waits for the writes of another
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            path = case(texts, Path(folder))
            taken.append(time.perf_counter() - start)
            size = path.stat().st_size
    return statistics.fmean(taken), size


def character_error_rate(pages: list[bytes], text: str) -> float:
    """Return the character error rate of tesseract on `pages`, with white space normalized."""
    read = []
    for page in pages:
        argv = ["tesseract", "-", "-", "--psm", "6"]
        done = subprocess.run(argv, input=page, capture_output=True, check=True)
        read.append(done.stdout.decode())
    expected, recognized = (" ".join(part.split()) for part in (text, " ".join(read)))
    return Levenshtein.distance(expected, recognized) / len(expected)


def legibility(checkout: Path | None, folder: Path) -> None:
    """Print error rates by length, with the peer's image resized to our size."""
    whole = " ".join(read_all(folder).split())
    renderer = Renderer(DatasetConfig().page)
    converter: Any = None
    if checkout:
        pipeline: Any = __import__("deepsynth.pipelines._dataset_processor", fromlist=["x"])
        converter = pipeline.OptimizedConverter()
    for length in OCR_LENGTHS:
        text = whole[50_000 : 50_000 + length]
        pages = [page.image for page in renderer.render(text).pages]
        line = f"{length} characters: ours {character_error_rate(pages, text):.2%}"
        if converter is not None:
            file = io.BytesIO()
            image = converter.convert(text)
            converter._resize_with_padding(image, (SIDE, SIDE)).save(file, "PNG")
            line += f", peer {character_error_rate([file.getvalue()], text):.2%}"
        sys.stdout.write(line + "\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--texts", type=Path, default=HANDBOOK)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ocr", action="store_true")
    options = parser.parse_args()
    texts = corpus(options.texts, DOCUMENTS)
    taken: dict[str, list[float]] = {name: [] for name in cases(options.peer)}
    sizes: dict[str, int] = {}
    with ExitStack() as stack:
        spawn = get_context("spawn")
        alone = {
            name: stack.enter_context(ProcessPoolExecutor(1, mp_context=spawn)) for name in taken
        }
        for number in range(options.rounds + 1):
            for name, process in alone.items():
                seconds, sizes[name] = process.submit(turn, name, options.peer, texts).result()
                if number:  # the first warms up: caches, imports
                    taken[name].append(seconds)
    mine = taken["ours"]
    for name, seconds in taken.items():
        ratio = statistics.median(other / own for other, own in zip(seconds, mine, strict=True))
        sys.stdout.write(
            f"{name}: {1000 * statistics.median(seconds) / len(texts):.2f} ms a document, "
            f"{sizes[name] / len(texts) / 1024:.1f} KiB a document, {ratio:.1f}x our time\n"
        )
    renderer = Renderer(DatasetConfig().page)
    pages = [page.image for text in texts for page in renderer.render(text).pages]
    mean = statistics.fmean(map(len, pages)) / 1024
    sys.stdout.write(f"{len(pages)} pages of {len(texts)} documents, {mean:.1f} KiB a page\n")
    if options.ocr:
        if shutil.which("tesseract") is None:
            raise SystemExit("--ocr needs tesseract")
        legibility(options.peer, options.texts)


if __name__ == "__main__":
    main()
