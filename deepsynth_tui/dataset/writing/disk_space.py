"""Whether a dataset will fit on the disk, judged by its first documents."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from deepsynth_tui.dataset.draw_document import DrawnDocument
from deepsynth_tui.dataset.errors import NotEnoughSpace

# Left free on the disk for everything else that runs there.
RESERVE_BYTES = 64 << 20


def estimate_bytes(first: Sequence[DrawnDocument], documents: int | None) -> int:
    """Return about how many bytes `documents` documents like the `first` take in the dataset.

    Where their number is not known, that of the first alone.
    """
    if not first:
        return 0
    each = sum(_row_bytes(drawn) for drawn in first) / len(first)
    return round(each * (documents or len(first)))


def check_space(folder: Path, needed: int) -> None:
    """Raise `NotEnoughSpace` where `needed` bytes more do not fit on the disk of `folder`."""
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < needed + RESERVE_BYTES:
        raise NotEnoughSpace(
            f"the dataset would take about {gigabytes(needed)}, and {place} has "
            f"{gigabytes(free)} free",
            "Free some space, choose another output.dir, or set source.max_samples.",
            "output.dir",
        )


def gigabytes(count: int) -> str:
    """Return `count` bytes for people, a GB being 2^30."""
    return f"{count / 2**30:.2f} GB"


def _row_bytes(drawn: DrawnDocument) -> int:
    texts = (drawn.document.text, drawn.document.prompted_text, drawn.document.target)
    return sum(map(len, drawn.pages)) + sum(len(text.encode()) for text in texts)
