"""A PNG encoder for pages.

Writes one IDAT chunk with filter 0 in every row (on text, the other filters make files larger),
compressed by ISA-L at level 1. Used instead of Pillow because it is 20 times as fast as
`Image.save(compress_level=1)` with files 22 % smaller, and 38 times as fast as Pillow's default
with files 8 % larger (a 1024 x 1024 page of 1,900 characters: 0.7, 13.7 and 26.2 ms): Pillow's
zlib is slower and it cannot write 4-bit gray.
"""

from __future__ import annotations

import struct

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COMPRESSION_LEVEL = 1
# Bytes compressed on their own, before the others. ISA-L (up to 2.32.1) starts a stream of more
# than 16 bytes with the hash of an uninitialized register that holds the address of the stream
# (`.write_first_byte` in igzip_icf_body_h1_gr_bt.asm): one page in some thousands got other bytes
# in another process. The code for the last bytes before a flush has no such start. It costs 9
# bytes a page and no time. `tests/benchmarks/png_soak.py` counts such pages.
FLUSHED_BYTES = 16
# PNG colour types.
GRAYSCALE, INDEXED_COLOUR = 0, 3

Colour = tuple[int, int, int]


class PngEncoder:
    """Encodes pages of `width` by `height` pixels of `bit_depth` bits each.

    Without a `palette` pixels are gray, 0 black; with one, they are indices into it.
    """

    def __init__(
        self, width: int, height: int, bit_depth: int, palette: list[Colour] | None = None
    ) -> None:
        colour_type = GRAYSCALE if palette is None else INDEXED_COLOUR
        header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
        self._head = SIGNATURE + b"".join(_chunk(b"IHDR", header))
        if palette:
            self._head += b"".join(
                _chunk(b"PLTE", bytes(value for rgb in palette for value in rgb))
            )

    def encode(self, rows: NDArray[np.uint8]) -> bytes:
        """Return a PNG file of `rows`, each of which starts with its filter byte, 0.

        The same rows give the same bytes in every process.
        """
        return b"".join((self._head, *_chunk(b"IDAT", compress(rows.data)), *_chunk(b"IEND", b"")))


def compress(data: memoryview) -> bytes:
    """Return `data` as a zlib stream that depends on nothing but `data`."""
    data = data.cast("B")
    compressor = isal_zlib.compressobj(COMPRESSION_LEVEL)
    return b"".join(
        (
            compressor.compress(data[:FLUSHED_BYTES]),
            compressor.flush(isal_zlib.Z_SYNC_FLUSH),
            compressor.compress(data[FLUSHED_BYTES:]),
            compressor.flush(),
        )
    )


def _chunk(name: bytes, data: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    checksum = isal_zlib.crc32(data, isal_zlib.crc32(name))
    return struct.pack(">I", len(data)), name, data, struct.pack(">I", checksum)
