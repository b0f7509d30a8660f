"""Build Arrow arrays from their buffers.

`pyarrow.array` does the same, but imports pandas first if it is installed (`datasets` installs
it): 0.17 s and 40 MB in every worker process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types

MAX_OFFSET = 2**31 - 1
"""Most items or bytes in a column, because offsets are 32-bit."""


def column(values: Sequence[Any] | NDArray[Any], arrow_type: pa.DataType) -> pa.Array:
    """Return `values` as an Arrow array.

    Args:
        values: Lists, mappings (structs), strings, bytes or integers. Only strings may be None.
        arrow_type: A list, struct, string, binary or int32 type.

    Raises:
        ArrowCapacityError: a column holds more than `MAX_OFFSET` items or bytes.
    """
    count = len(values)
    if isinstance(arrow_type, pa.ListType):
        items = column([item for value in values for item in value], arrow_type.value_type)
        return list_column([len(value) for value in values], items)
    if isinstance(arrow_type, pa.StructType):
        children = [
            column([value[field.name] for value in values], field.type) for field in arrow_type
        ]
        return struct_column(children, arrow_type)
    if types.is_int32(arrow_type):
        return pa.Array.from_buffers(arrow_type, count, [None, _buffer(np.array(values, np.int32))])
    validity = None
    if types.is_string(arrow_type):
        if None in values:
            valid = np.array([value is not None for value in values])
            validity = _buffer(np.packbits(valid, bitorder="little"))
        values = [(value or "").encode() for value in values]
    data = pa.py_buffer(b"".join(values))
    offsets = _offsets([len(value) for value in values])
    return pa.Array.from_buffers(arrow_type, count, [validity, offsets, data])


def list_column(counts: Sequence[int], items: pa.Array) -> pa.Array:
    """Return the consecutive `items` as lists of `counts` items each."""
    arrow_type = pa.list_(items.type)
    buffers = [None, _offsets(counts)]
    return pa.Array.from_buffers(arrow_type, len(counts), buffers, children=[items])


def struct_column(columns: Sequence[pa.Array], arrow_type: pa.StructType) -> pa.Array:
    """Return `columns`, of the same length, as the fields of structs."""
    return pa.Array.from_buffers(arrow_type, len(columns[0]), [None], children=list(columns))


def _offsets(counts: Sequence[int]) -> pa.Buffer:
    """Return the offsets buffer of lists of these lengths: int32, one more than there are lists."""
    offsets = np.cumsum([0, *counts], dtype=np.int64)
    if offsets[-1] > MAX_OFFSET:
        raise pa.ArrowCapacityError(
            f"a column of {offsets[-1]:,} items is too large for 32-bit offsets"
        )
    return _buffer(offsets.astype(np.int32))


def _buffer(values: np.ndarray) -> pa.Buffer:
    return pa.py_buffer(values.tobytes())
