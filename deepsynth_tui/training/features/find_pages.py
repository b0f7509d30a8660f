"""The distinct pages of a run by the hash of their files, and the data set that prepares them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch.utils.data import Dataset

from deepsynth_tui.conversations.errors import errors_of_row
from deepsynth_tui.training.features.batch import UnencodedPage
from deepsynth_tui.training.features.keys import page_key

if TYPE_CHECKING:
    from deepsynth_tui.runs.job import Job
    from deepsynth_tui.training.data.dataset import Rows, Split
    from deepsynth_tui.training.features.cache import PageFeatureCache


@dataclass(frozen=True, slots=True)
class PageLocation:
    """Where a page is found first: in the training or the held-out rows, which row and image."""

    is_held_out: bool
    position: int
    image: int

    def rows(self, split: Split) -> Rows:
        """Return the rows that the position is in."""
        return split.held_out if self.is_held_out else split.train


def find_pages(job: Job, split: Split) -> dict[str, PageLocation] | None:
    """Return where each distinct page is, by the hash of its file; None if asked to stop."""
    found: dict[str, PageLocation] = {}
    for is_held_out, rows in ((False, split.train), (True, split.held_out)):
        for position in _first_positions(rows):
            if job.stop_requested() is not None:
                return None
            example = rows[position]
            with errors_of_row(example.row_id):
                for number, stored in enumerate(example.images):
                    found.setdefault(page_key(stored), PageLocation(is_held_out, position, number))
    return found


def _first_positions(rows: Rows) -> Iterator[int]:
    """Yield the first position of each row of the dataset, which may be there several times."""
    positions: dict[int, int] = {}
    for position, index in enumerate(rows.indices):
        positions.setdefault(index, position)
    return iter(positions.values())


class UnencodedPages(Dataset[UnencodedPage]):
    """Pages as the processor prepares them; a DataLoader worker can read them.

    An item raises RowError if its page cannot be used.
    """

    def __init__(
        self,
        cache: PageFeatureCache,
        split: Split,
        located: Mapping[str, PageLocation],
        keys: Sequence[str],
    ) -> None:
        self._cache = cache
        self._split = split
        self._pages = [(key, located[key]) for key in keys]

    def __len__(self) -> int:
        return len(self._pages)

    def __getitem__(self, number: int) -> UnencodedPage:
        key, location = self._pages[number]
        example = location.rows(self._split)[location.position]
        with errors_of_row(example.row_id):
            return self._cache.unencoded(example.images[location.image], key)
