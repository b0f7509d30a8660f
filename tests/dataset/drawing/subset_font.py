"""Small fonts for tests, made of glyphs of a larger font."""

from __future__ import annotations

import importlib
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

hb: Any = importlib.import_module("uharfbuzz")


def subset(source: Path, target: Path, text: str) -> None:
    """Write a subset of the font `source` with the characters of `text` to `target`."""
    subset_input = hb.SubsetInput()
    subset_input.unicode_set.update(map(ord, text))
    target.parent.mkdir(parents=True, exist_ok=True)
    face = hb.Face(hb.Blob.from_file_path(source))
    target.write_bytes(hb.subset(face, subset_input).blob.data)


def remap(source: Path, target: Path, glyphs: Mapping[str, str], family: str = "") -> None:
    """Write a font that draws each character of `glyphs` as `source` draws the one it maps to."""
    subset(source, target, "".join(glyphs.values()))
    face = hb.Face(hb.Blob.from_file_path(target))
    font = hb.Font(face)
    groups = [
        struct.pack(">III", ord(character), ord(character), font.get_nominal_glyph(ord(drawn)))
        for character, drawn in sorted(glyphs.items())
    ]
    subtable = struct.pack(">HHIII", 12, 0, 16 + 12 * len(groups), 0, len(groups))
    tables = {tag: bytes(face.reference_table(tag).data) for tag in face.table_tags}
    # One encoding: Unicode's full repertoire (3, 10).
    tables["cmap"] = struct.pack(">HHHHI", 0, 1, 3, 10, 12) + subtable + b"".join(groups)
    if family:
        name = family.encode("utf-16-be")
        record = struct.pack(">HHHHHH", 3, 1, 0x409, 1, len(name), 0)
        tables["name"] = struct.pack(">HHH", 0, 1, 18) + record + name
    directory, data = b"", b""
    for tag, table in sorted(tables.items()):
        offset = 12 + 16 * len(tables) + len(data)
        directory += struct.pack(">4sIII", tag.encode(), 0, offset, len(table))
        data += table + bytes(-len(table) % 4)
    target.write_bytes(struct.pack(">IHHHH", 0x00010000, len(tables), 0, 0, 0) + directory + data)
