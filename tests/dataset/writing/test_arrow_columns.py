"""Arrays built from buffers equal those of `pyarrow.array`."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.dataset.writing import arrow_columns
from deepsynth_tui.dataset.writing.arrow_columns import column
from deepsynth_tui.dataset.writing.schema import SCHEMA

SOME_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


def values(arrow_type: pa.DataType) -> st.SearchStrategy[Any]:
    if isinstance(arrow_type, pa.ListType):
        return st.lists(values(arrow_type.value_type), max_size=3)
    if isinstance(arrow_type, pa.StructType):
        return st.fixed_dictionaries({field.name: values(field.type) for field in arrow_type})
    if arrow_type == pa.int32():
        return st.integers(-(2**31), 2**31 - 1)
    return st.binary(max_size=6) if arrow_type == pa.binary() else st.none() | SOME_TEXT


@pytest.mark.parametrize("field", list(SCHEMA), ids=SCHEMA.names)
@given(st.data())
def test_columns_equal_those_of_pyarrow(field: pa.Field, data: st.DataObject) -> None:
    drawn = data.draw(st.lists(values(field.type), max_size=12))
    array = column(drawn, field.type)
    array.validate(full=True)
    assert array.equals(pa.array(drawn, field.type))
    assert array.null_count == sum(value is None for value in drawn)


def test_a_column_too_large_for_its_offsets_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_columns, "MAX_OFFSET", 9)
    assert column([b"12345", b"6789"], pa.binary()).to_pylist() == [b"12345", b"6789"]
    with pytest.raises(pa.ArrowCapacityError, match="a column of 10 items"):
        column([b"12345", b"67890"], pa.binary())


def test_writing_a_shard_does_not_import_pandas() -> None:
    script = """
import sys, tempfile
from pathlib import Path
from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.reading.sources import Document
from deepsynth_tui.dataset.writing.document_batches import DocumentBatch
from deepsynth_tui.dataset.writing.shards import write_shard
batch = DocumentBatch("train", 0, (Document("one", "text", None),), frozenset(), "")
with tempfile.TemporaryDirectory() as folder:
    assert write_shard(batch, DatasetConfig(), Path(folder), lambda done: None).rows == 1
print([name for name in ("pandas", "datasets", "torch") if name in sys.modules])
"""
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert process.stdout == "[]\n", process.stderr
