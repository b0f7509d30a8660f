"""Which rows of a large dataset to count the tokens of, so that the longest are among them.

Text is measured in characters over whole Arrow columns, which takes no tokenizer and no image.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deepsynth_tui.training.data.formats import TEXT_COLUMNS

if TYPE_CHECKING:
    from deepsynth_tui.config.training import DataSettings
    from deepsynth_tui.training.data.dataset import Rows


def likely_longest(rows: Rows, data: DataSettings, *, images: bool, count: int) -> list[int]:
    """Indices of about `count` rows: those with the most text, and those with the most images.

    Characters are no tokens, so the longest row in tokens is likely, not certain, to be there.
    """
    table: Any = rows.dataset.with_format("arrow")
    read = {data.target_column, "messages", "instruction", *(() if images else TEXT_COLUMNS)}
    text = np.zeros(len(rows.dataset), dtype=np.int64)
    for column in sorted(read.intersection(rows.dataset.column_names)):
        text += _over(table[column], characters)
    pages = _over(table[data.image_column], entries) if images else np.zeros_like(text)
    mine = np.asarray(rows.positions)
    text, pages = text[mine], pages[mine]
    by_text = np.argsort(-text, kind="stable")[: count // 2]
    by_pages = np.lexsort((-text, -pages))[: count // 2]
    return list(dict.fromkeys(int(index) for index in (*by_text, *by_pages)))


def even_sample(total: int, count: int, *, seed: int) -> list[int]:
    """`count` of `total` indices, or all, at even distances; any beginning is spread over them."""
    size = min(count, total)
    chosen = [index * total // size for index in range(size)]
    random.Random(seed).shuffle(chosen)
    return chosen


def characters(array: pa.Array) -> np.ndarray:
    """Characters of all strings inside each entry, however deep they lie; (entries,) int64."""
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return _numbers(pc.call_function("utf8_length", [array]))
    if pa.types.is_struct(array.type):
        fields = [characters(field) for field in array.flatten()]
        return sum(fields, start=np.zeros(len(array), dtype=np.int64))
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        inner = np.concatenate([[0], np.cumsum(characters(array.values))])
        ends = array.offsets.to_numpy()
        return inner[ends[1:]] - inner[ends[:-1]]
    return np.zeros(len(array), dtype=np.int64)


def entries(array: pa.Array) -> np.ndarray:
    """Length of each list; 1 where the column holds one value and 0 where it holds none."""
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return _numbers(pc.call_function("list_value_length", [array]))
    return np.asarray(array.is_valid()).astype(np.int64)


def _over(column: Any, measure: Callable[[pa.Array], np.ndarray]) -> np.ndarray:
    """Measure a column chunk by chunk: joining them would read every image into memory."""
    return np.concatenate([measure(chunk) for chunk in column[:].chunks])


def _numbers(array: pa.Array) -> np.ndarray:
    """An integer array, its nulls as 0."""
    return array.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
