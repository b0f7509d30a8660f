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
        """Return a PNG file of `rows`, each of which starts with its filter byte, 0."""
        data = isal_zlib.compress(rows.data, COMPRESSION_LEVEL)
        return b"".join((self._head, *_chunk(b"IDAT", data), *_chunk(b"IEND", b"")))


def _chunk(name: bytes, data: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    checksum = isal_zlib.crc32(data, isal_zlib.crc32(name))
    return struct.pack(">I", len(data)), name, data, struct.pack(">I", checksum)
