"""Row statistics for an estimate: counted within a time limit, if need be of a sample."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from deepsynth_tui.estimate.row_statistics import RowStatistics, quantiles
from deepsynth_tui.models.image_tokens import PageSize
from deepsynth_tui.training.data.bad_rows import (
    bad_rows_error,
    left_out_note,
    too_many_bad_rows_error,
)
from deepsynth_tui.training.data.count_rows import (
    CountedRows,
    distinct_indices,
    iterate_counted,
    remark_notes,
)
from deepsynth_tui.training.data.sample_rows import evenly_spaced_sample, likely_longest_rows

if TYPE_CHECKING:
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import Rows

# All rows are counted up to this number; of more, an even sample and the likely longest.
MAX_ROWS_COUNTED = 2000
LIKELY_LONGEST = 200


def measure_rows(rows: Rows, collator: Collator, *, max_seconds: float) -> RowStatistics:
    """Count the tokens of `rows` for about `max_seconds`, at least of one row.

    Of more than `MAX_ROWS_COUNTED` rows a sample is counted that includes those with most text and
    most images. It need not include the longest row of all, and the note says so. The images are
    decoded afterwards, as far as there is time.

    Raises:
        TrainingError: rows cannot be used and may not be left out, or none of them can be used.
    """
    data = collator.config.data
    likely: list[int] = []
    if len(rows) > MAX_ROWS_COUNTED:
        images = collator.reads_images
        likely = likely_longest_rows(rows, images=images, count=LIKELY_LONGEST)
    sample = evenly_spaced_sample(len(rows), MAX_ROWS_COUNTED - len(likely), seed=data.split_seed)
    order = list(dict.fromkeys([*likely, *sample]))
    deadline = time.monotonic() + max_seconds
    counted = _count_until(deadline, rows.select(order), collator, decode=False)
    decoded = CountedRows()
    if collator.reads_images:
        usable = replace(rows, indices=list(counted.usable))
        decoded = _count_until(deadline, usable, collator, decode=True)
    errors = [*counted.errors, *decoded.errors]
    rows_read = f"{counted.rows:,} rows that were read"
    if errors and data.bad_rows == "stop":
        raise bad_rows_error(errors, rows_read)
    lengths = {i: n for i, n in counted.usable.items() if decoded.lengths.get(i, n) is not None}
    if not lengths:
        raise too_many_bad_rows_error(errors, rows_read)
    in_sample = (lengths.get(rows.indices[position]) for position in sample)
    sampled = sorted(length.tokens for length in in_sample if length) or [0]
    pages = (PageSize(*size) for length in lengths.values() for size in length.stored_sizes)
    return RowStatistics(
        rows=rows.total_rows,
        lengths=(*quantiles(sampled)[:-1], max(length.tokens for length in lengths.values())),
        page=max(pages, key=_area, default=None),
        counted=len(lengths),
        text=max(length.text_tokens for length in lengths.values()),
        pages=max(len(length.page_sizes) for length in lengths.values()),
        note=_note(
            counted,
            decoded,
            len(distinct_indices(rows)),
            likely=len(likely),
            images=collator.reads_images,
        ),
    )


def _count_until(deadline: float, rows: Rows, collator: Collator, *, decode: bool) -> CountedRows:
    """Count rows until the deadline, at least one if there is one."""
    counted = CountedRows()
    with contextlib.closing(iterate_counted(rows, collator, decode=decode)) as counting:
        for row in counting:
            counted.add(row)
            if time.monotonic() > deadline:
                break
    return counted


def _note(
    counted: CountedRows, decoded: CountedRows, rows: int, *, likely: int, images: bool
) -> str:
    notes: list[str] = []
    read, opened = counted.rows, decoded.rows
    if read < rows:
        among = f", among them {likely} with most text or pages" if 0 < likely < read else ""
        notes.append(f"{read:,} of {rows:,} rows were counted{among}: a longer one is possible.")
    if images and opened < len(counted.usable):
        notes.append(f"The images of {opened:,} rows were decoded: others may be damaged.")
    if errors := [*counted.errors, *decoded.errors]:
        notes.append(f"{left_out_note(errors, f'{read:,} rows')}.")
    notes += (f"{note}." for note in remark_notes(decoded.remarked, opened))
    return " ".join(notes)


def _area(page: PageSize) -> int:
    return page.width * page.height
