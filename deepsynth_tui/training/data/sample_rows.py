"""Samples of the rows of a large dataset, among them the likely longest.

Text is measured in characters over whole Arrow columns, which needs no tokenizer and no image.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deepsynth_tui.conversations.assemble import IMAGE_TOKEN
from deepsynth_tui.conversations.containers.rows import ROW, JsonRows

if TYPE_CHECKING:
    from deepsynth_tui.conversations.dataset import StoredDataset
    from deepsynth_tui.training.data.dataset import Rows


def likely_longest_rows(rows: Rows, *, images: bool, count: int) -> list[int]:
    """Return the positions of about `count` rows: those with most text and those with most images.

    The longest row in tokens is likely among them, but not certainly: characters are not tokens.
    """
    counts = [count_text_and_images(part, images=images) for part in rows.dataset.parts]
    indices = np.asarray(rows.indices)
    text = np.concatenate([part_text for part_text, _ in counts])[indices]
    pages = np.concatenate([part_pages for _, part_pages in counts])[indices]
    by_text = np.argsort(-text, kind="stable")[: count // 2]
    by_pages = np.lexsort((-text, -pages))[: count // 2]
    return list(dict.fromkeys(int(position) for position in (*by_text, *by_pages)))


def count_text_and_images(dataset: StoredDataset, *, images: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the characters and the images of each row of a dataset; (rows,) int64 each.

    Rows of JSON count as a whole, and their images as their tokens in the text.
    """
    table: Any = dataset.rows.table.with_format("arrow")
    if isinstance(dataset.rows, JsonRows):
        text = _map_chunks(table[ROW], character_counts)
        return text, _map_chunks(table[ROW], image_token_counts)
    columns = dataset.layout.columns
    text = np.zeros(len(dataset), dtype=np.int64)
    for column in dataset.layout.text_columns(documents=not images):
        text += _map_chunks(table[column], character_counts)
    if not images or columns.images is None:
        return text, np.zeros_like(text)
    return text, _map_chunks(table[columns.images], list_lengths)


def evenly_spaced_sample(total: int, count: int, *, seed: int) -> list[int]:
    """Return up to `count` of `total` positions, evenly spaced and in random order.

    Any prefix of the result is therefore spread over all positions, too.
    """
    size = min(count, total)
    positions = [i * total // size for i in range(size)]
    random.Random(seed).shuffle(positions)
    return positions


def character_counts(array: pa.Array) -> np.ndarray:
    """Count the characters of all strings in each entry, at any depth; (entries,) int64."""
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return _to_numpy(pc.call_function("utf8_length", [array]))
    if pa.types.is_struct(array.type):
        fields = [character_counts(field) for field in array.flatten()]
        return sum(fields, start=np.zeros(len(array), dtype=np.int64))
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        cumulative = np.concatenate([[0], np.cumsum(character_counts(array.values))])
        offsets = array.offsets.to_numpy()
        return cumulative[offsets[1:]] - cumulative[offsets[:-1]]
    return np.zeros(len(array), dtype=np.int64)


def image_token_counts(array: pa.Array) -> np.ndarray:
    """Count `<image>` in each string; (entries,) int64."""
    return _to_numpy(
        pc.call_function("count_substring", [array], pc.MatchSubstringOptions(IMAGE_TOKEN))
    )


def list_lengths(array: pa.Array) -> np.ndarray:
    """Return the length of each list; for a column of single values 1, or 0 for null."""
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return _to_numpy(pc.call_function("list_value_length", [array]))
    return np.asarray(array.is_valid()).astype(np.int64)


def _map_chunks(column: Any, measure: Callable[[pa.Array], np.ndarray]) -> np.ndarray:
    """Measure a column chunk by chunk: combining them would read every image into memory."""
    return np.concatenate([measure(chunk) for chunk in column[:].chunks])


def _to_numpy(array: pa.Array) -> np.ndarray:
    """Convert an integer array, nulls as 0."""
    return array.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
