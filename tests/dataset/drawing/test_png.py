"""PNG files of pages."""

from __future__ import annotations

import io
import random
import zlib

import numpy as np
import pytest
from PIL import Image

from deepsynth_tui.dataset.drawing.png import FLUSHED_BYTES, PngEncoder, compress

SYNC_MARKER = b"\0\0\xff\xff"


@pytest.mark.parametrize("size", [(64, 64), (301, 200), (1024, 1024)])
def test_a_page_has_the_pixels_of_its_rows(size: tuple[int, int]) -> None:
    width, height = size
    rows = np.random.default_rng(0).integers(0, 256, (height, 1 + -(-width // 2)), np.uint8)
    rows[:, 0] = 0
    image = Image.open(io.BytesIO(PngEncoder(width, height, 4).encode(rows)))
    pixels = np.stack([rows[:, 1:] >> 4, rows[:, 1:] & 15], axis=2).reshape(height, -1)
    assert (np.asarray(image.convert("L")) == pixels[:, :width] * 17).all()


def test_a_stream_starts_with_a_flushed_piece_on_which_isal_hashes_nothing_uninitialized() -> None:
    data = random.Random(0).randbytes(100_000) * 2
    stream = compress(memoryview(data))
    assert zlib.decompress(stream) == data
    flushed, marker, _ = stream.partition(SYNC_MARKER)
    assert zlib.decompressobj().decompress(flushed + marker) == data[:FLUSHED_BYTES]
