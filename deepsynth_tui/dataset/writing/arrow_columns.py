"""Arrow columns of Python's values, made of their buffers.

`pyarrow.array` does it too, but imports pandas first where that is installed, as `datasets` sees
to: a sixth of a second and 40 MB in each process that draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

MOST_ITEMS = 2**31 - 1
"""Items or bytes of a column, as offsets of 32 bits can count."""


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return `values` as an array of `kind`: a list, a struct (of mappings), a string, bytes or a
    32-bit integer. Only strings may be None.

    Raises:
        ArrowCapacityError: a column is larger than `MOST_ITEMS`.
    """
    count = len(values)
    if isinstance(kind, pa.ListType):
        items = column([item for value in values for item in value], kind.value_type)
        return pa.Array.from_buffers(kind, count, [None, _offsets(values)], children=[items])
    if isinstance(kind, pa.StructType):
        fields = [column([value[field.name] for value in values], field.type) for field in kind]
        return pa.Array.from_buffers(kind, count, [None], children=fields)
    if types.is_int32(kind):
        return pa.Array.from_buffers(kind, count, [None, _buffer(np.array(values, np.int32))])
    present = None
    if types.is_string(kind):
        if None in values:
            known = np.array([value is not None for value in values])
            present = _buffer(np.packbits(known, bitorder="little"))
        values = [(value or "").encode() for value in values]
    data = pa.py_buffer(b"".join(values))
    return pa.Array.from_buffers(kind, count, [present, _offsets(values), data])


def _offsets(values: Sequence[Sequence[Any]]) -> pa.Buffer:
    """Return where each of `values` begins, and the last ends, when they lie one after another."""
    ends = np.cumsum([0, *map(len, values)], dtype=np.int64)
    if ends[-1] > MOST_ITEMS:
        raise pa.ArrowCapacityError(f"a column of {ends[-1]:,} items, which no offset can count")
    return _buffer(ends.astype(np.int32))


def _buffer(values: np.ndarray) -> pa.Buffer:
    return pa.py_buffer(values.tobytes())
