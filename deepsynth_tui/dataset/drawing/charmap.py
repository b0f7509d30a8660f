"""Which characters a font file has a glyph for.

Reads the `cmap` table (OpenType 1.9, "cmap — Character To Glyph Index Mapping Table"), because
Pillow draws the glyph for "missing" without saying so. Offsets and names are the standard's.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

# Subtables that map Unicode, the widest first: (platform, encoding).
UNICODE_SUBTABLES = ((3, 10), (0, 6), (0, 4), (3, 1), (0, 3), (0, 2), (0, 1), (0, 0))


class NoCharacterMap(ValueError):
    """The file is no TrueType or OpenType font, or has no Unicode character map."""


def covered(path: Path) -> frozenset[int]:
    """Return the code points that the font at `path` has glyphs for.

    Of a collection, the first font. Raises `NoCharacterMap`, and `OSError` as `open` does.
    """
    data = path.read_bytes()
    try:
        return frozenset(_code_points(data, _subtable(data, _table(data, b"cmap"))))
    except struct.error as error:
        raise NoCharacterMap(f"{path.name} ends in the middle of its character map") from error


def _table(data: bytes, tag: bytes) -> int:
    start = 0
    if data[:4] == b"ttcf":
        (start,) = struct.unpack_from(">I", data, 12)
    if data[start : start + 4] not in (b"\0\1\0\0", b"OTTO", b"true"):
        raise NoCharacterMap("not a TrueType or OpenType font")
    (count,) = struct.unpack_from(">H", data, start + 4)
    for at in range(start + 12, start + 12 + 16 * count, 16):
        name, _, offset, _ = struct.unpack_from(">4sIII", data, at)
        if name == tag:
            return offset
    raise NoCharacterMap("the font has no character map")


def _subtable(data: bytes, cmap: int) -> int:
    (count,) = struct.unpack_from(">H", data, cmap + 2)
    offsets: dict[tuple[int, int], int] = {}
    for at in range(cmap + 4, cmap + 4 + 8 * count, 8):
        platform, encoding, offset = struct.unpack_from(">HHI", data, at)
        offsets[platform, encoding] = cmap + offset
    for wanted in UNICODE_SUBTABLES:
        if wanted in offsets:
            return offsets[wanted]
    raise NoCharacterMap("the font has no Unicode character map")


def _code_points(data: bytes, at: int) -> Iterator[int]:
    (subtable_format,) = struct.unpack_from(">H", data, at)
    match subtable_format:
        case 4:
            yield from _segments(data, at)
        case 12:
            (groups,) = struct.unpack_from(">I", data, at + 12)
            for group in range(groups):
                first, last, glyph = struct.unpack_from(">III", data, at + 16 + 12 * group)
                yield from range(first + (glyph == 0), last + 1)
        case 6:
            first, count = struct.unpack_from(">HH", data, at + 6)
            glyphs = struct.unpack_from(f">{count}H", data, at + 10)
            yield from (first + index for index, glyph in enumerate(glyphs) if glyph)
        case _:
            raise NoCharacterMap(f"character maps of format {subtable_format} are not supported")


def _segments(data: bytes, at: int) -> Iterator[int]:
    (doubled,) = struct.unpack_from(">H", data, at + 6)
    count = doubled // 2
    ends = struct.unpack_from(f">{count}H", data, at + 14)
    starts = struct.unpack_from(f">{count}H", data, at + 16 + doubled)
    deltas = struct.unpack_from(f">{count}H", data, at + 16 + 2 * doubled)
    range_offsets = at + 16 + 3 * doubled
    offsets = struct.unpack_from(f">{count}H", data, range_offsets)
    for index in range(count):
        for code in range(starts[index], ends[index] + 1):
            glyph = code
            if offsets[index]:
                place = range_offsets + 2 * index + offsets[index] + 2 * (code - starts[index])
                (glyph,) = struct.unpack_from(">H", data, place)
                if glyph == 0:
                    continue
            if (glyph + deltas[index]) & 0xFFFF and code != 0xFFFF:
                yield code
