"""Check that a dataset fits on the disk, extrapolating from its first documents."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from deepsynth_tui.config.preflight_report import nearest_existing_parent
from deepsynth_tui.dataset.draw_document import DrawnDocument
from deepsynth_tui.dataset.errors import NotEnoughSpace
from deepsynth_tui.dataset.rows import DrawnRow
from deepsynth_tui.units import format_bytes

# Kept free for everything else on the disk.
RESERVE_BYTES = 64 << 20


def estimate_bytes(sample: Sequence[DrawnDocument], documents: int | None) -> int:
    """Return the approximate size in bytes of `documents` documents like those in `sample`.

    If their number is unknown (None), return the size of the sample alone.
    """
    if not sample:
        return 0
    mean = sum(_document_bytes(document) for document in sample) / len(sample)
    return round(mean * (documents or len(sample)))


def check_space(folder: Path, needed: int) -> None:
    """Raise `NotEnoughSpace` if `needed` more bytes do not fit on the disk of `folder`."""
    existing_folder = nearest_existing_parent(folder)
    free = shutil.disk_usage(existing_folder).free
    if free < needed + RESERVE_BYTES:
        raise NotEnoughSpace(
            f"the dataset needs about {format_bytes(needed)}, but {existing_folder} has only "
            f"{format_bytes(free)} free",
            "Free some space, choose another output.dir, or set source.max_samples.",
            "output.dir",
        )


def _document_bytes(drawn: DrawnDocument) -> int:
    return sum(_bytes(row) for row in drawn.rows)


def _bytes(row: DrawnRow) -> int:
    texts = [row.text, row.prompted_text, row.target]
    texts += [
        text
        for page in row.pages
        for boxes in (page.lines, page.words)
        if boxes
        for text in boxes.texts
    ]
    return sum(len(page.image) for page in row.pages) + sum(len(text.encode()) for text in texts)
