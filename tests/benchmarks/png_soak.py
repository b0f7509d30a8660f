"""Count pages whose PNG bytes differ between processes.

`python -m tests.benchmarks.png_soak [--documents N] [--per-process N] [--workers N]`

First one page is compressed at several addresses in one process, while the compressors before it
stay on the heap. Then every page, 1024 x 1024 pixels, is drawn in two new processes, which differ
in the addresses of stack and heap (address space layout randomization), in what freed memory holds
(MALLOC_PERTURB_) and in what else is on the heap. The SHA-256 of the files are compared, and for
the same pages those of `isal_zlib.compress`, which a page's bytes came from before `png.compress`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import string
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice

from isal import isal_zlib

from deepsynth_tui.config.dataset import PageSettings
from deepsynth_tui.dataset.drawing import png
from deepsynth_tui.dataset.drawing.renderer import Renderer

VOCABULARY = 1000
WORDS = (80, 480)
ADDRESSES = 8000


def texts(first: int) -> Iterator[str]:
    """Yield the text of each document from number `first` on."""
    words = random.Random(0)
    vocabulary = [
        "".join(words.choices(string.ascii_lowercase, k=words.randint(1, 10)))
        for _ in range(VOCABULARY)
    ]
    for number in count(first):
        rng = random.Random(number)
        yield " ".join(rng.choices(vocabulary, k=rng.randint(*WORDS)))


def compress_at_addresses(addresses: int) -> None:
    """Print how many streams the pixels of one page give at this many addresses."""
    rows: list[bytes] = []
    compress = png.compress

    def remember(data: memoryview) -> bytes:
        rows.append(bytes(data))
        return compress(data)

    png.compress = remember
    Renderer(PageSettings()).render(next(texts(0)))
    png.compress = compress
    page, held, plain, ours = rows[0], [], set(), set()
    for _ in range(addresses):
        compressor = isal_zlib.compressobj(png.COMPRESSION_LEVEL)
        held.append(compressor)
        plain.add(compressor.compress(page) + compressor.flush())
        ours.add(compress(memoryview(page)))
    sys.stdout.write(
        f"one page at {addresses} addresses: {len(ours)} streams of ours, "
        f"{len(plain)} of isal_zlib\n"
    )


def draw(first: int, documents: int) -> None:
    """Print the digests of each page, of our file and of the same rows by `isal_zlib.compress`."""
    ballast = [bytearray(random.randint(1, 1 << 18)) for _ in range(random.randint(0, 400))]
    renderer = Renderer(PageSettings())
    compress, plain = png.compress, []

    def both(data: memoryview) -> bytes:
        plain.append(_digest(isal_zlib.compress(data, png.COMPRESSION_LEVEL)))
        return compress(data)

    png.compress = both
    ours = [
        _digest(page.image)
        for text in islice(texts(first), documents)
        for page in renderer.render(text).pages
    ]
    sys.stdout.write(json.dumps({"ours": ours, "plain": plain}))
    del ballast


def run(first: int, documents: int, perturb: int) -> dict[str, list[str]]:
    """Draw documents in a process of its own and return their digests."""
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.png_soak",
        "--draw",
        str(first),
        str(documents),
    ]
    environment = {**os.environ, "MALLOC_PERTURB_": str(perturb)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def compare(first: int, documents: int) -> dict[str, int]:
    """Draw documents twice; return the number of pages and how many of them differ, by encoder."""
    one, other = (run(first, documents, random.randint(1, 255)) for _ in range(2))
    different = {
        name: sum(a != b for a, b in zip(one[name], other[name], strict=True)) for name in one
    }
    return {"pages": len(one["ours"]), **different}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def main() -> None:
    """Draw, compare and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--per-process", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--draw", type=int, nargs=2, metavar=("FIRST", "DOCUMENTS"))
    options = parser.parse_args()
    if options.draw:
        draw(*options.draw)
        return
    compress_at_addresses(ADDRESSES)
    total: Counter[str] = Counter()
    with ThreadPoolExecutor(options.workers) as pool:
        firsts = range(0, options.documents, options.per_process)
        for counts in pool.map(lambda first: compare(first, options.per_process), firsts):
            total.update(counts)
            sys.stdout.write(
                f"\r{total['pages']} pages drawn twice; different: {total['ours']} of ours, "
                f"{total['plain']} of isal_zlib.compress"
            )
            sys.stdout.flush()
    sys.stdout.write("\n")
    raise SystemExit(bool(total["ours"]))


if __name__ == "__main__":
    main()
