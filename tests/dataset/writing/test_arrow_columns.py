"""Columns made of buffers are those that pyarrow itself makes."""

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


def values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    if isinstance(kind, pa.ListType):
        return st.lists(values(kind.value_type), max_size=3)
    if isinstance(kind, pa.StructType):
        return st.fixed_dictionaries({field.name: values(field.type) for field in kind})
    if kind == pa.int32():
        return st.integers(-(2**31), 2**31 - 1)
    return st.binary(max_size=6) if kind == pa.binary() else st.none() | SOME_TEXT


@pytest.mark.parametrize("field", list(SCHEMA), ids=SCHEMA.names)
@given(st.data())
def test_as_pyarrow_makes_them(field: pa.Field, data: st.DataObject) -> None:
    drawn = data.draw(st.lists(values(field.type), max_size=12))
    made = column(drawn, field.type)
    made.validate(full=True)
    assert made.equals(pa.array(drawn, field.type))
    assert made.null_count == sum(value is None for value in drawn)


def test_what_offsets_cannot_count_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_columns, "MOST_ITEMS", 9)
    assert column([b"12345", b"6789"], pa.binary()).to_pylist() == [b"12345", b"6789"]
    with pytest.raises(pa.ArrowCapacityError, match="a column of 10 items"):
        column([b"12345", b"67890"], pa.binary())


def test_a_process_that_draws_imports_no_pandas() -> None:
    script = """
import sys, tempfile
from pathlib import Path
from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.reading.sources import Document
from deepsynth_tui.dataset.writing.document_batches import DocumentBatch
from deepsynth_tui.dataset.writing.shards import write_shard
group = DocumentBatch("train", 0, (Document("one", "text", None),), frozenset(), "")
with tempfile.TemporaryDirectory() as folder:
    assert write_shard(group, DatasetConfig(), Path(folder), lambda done: None).rows == 1
print([name for name in ("pandas", "datasets", "torch") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
