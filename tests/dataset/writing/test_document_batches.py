"""Batches of documents: splits, sizes, duplicates and digests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.dataset.reading.sources import Document
from deepsynth_tui.dataset.writing import document_batches
from deepsynth_tui.dataset.writing.document_batches import (
    TEST,
    TRAIN,
    DocumentBatch,
    batch_documents,
    split_digests,
    split_of,
)


def batches_of(
    documents: Sequence[Document], size: int = 3, fraction: float = 0.0
) -> list[DocumentBatch]:
    batches = batch_documents(documents, size=size, eval_fraction=fraction)
    return [batch for batch in batches if batch is not None]


def document(name: str, text: str, target: str | None = None) -> Document:
    return Document(source_id=name, text=text, target=target)


@given(
    st.lists(st.text(max_size=3), max_size=40),
    st.integers(1, 7),
    st.floats(0.0, 1.0, exclude_max=True),
)
def test_every_document_is_in_one_batch_of_its_split(texts: list[str], size: int, fraction: float):
    documents = [document(str(number), text) for number, text in enumerate(texts)]
    batches = batches_of(documents, size, fraction)
    for split in (TRAIN, TEST):
        in_split = [batch for batch in batches if batch.split == split]
        assert [batch.number for batch in in_split] == list(range(len(in_split)))
        assert all(len(batch.documents) == size for batch in in_split[:-1])
        ids = [int(document.source_id) for batch in in_split for document in batch.documents]
        assert ids == sorted(ids)
    assert sum(len(batch.documents) for batch in batches) == len(documents)
    splits = {(document.text, batch.split) for batch in batches for document in batch.documents}
    assert len(splits) == len({text for text, _ in splits})


def test_the_hash_decides_the_split():
    hashes = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(20_000)]
    held_out = {value for value in hashes if split_of(value, 0.1) == TEST}
    assert 1800 < len(held_out) < 2200
    assert held_out < {value for value in hashes if split_of(value, 0.2) == TEST}
    assert not [value for value in hashes if split_of(value, 0.0) == TEST]


def test_a_duplicate_has_the_same_text_and_target():
    documents = [
        document("a", "text", "one"),
        document("b", "text", "two"),
        document("c", "other", "one"),
        document("d", "text", "two"),
    ]
    assert [sorted(batch.duplicates) for batch in batches_of(documents)] == [[], [0]]


def test_digests_reveal_any_change_of_a_document():
    first = document("a", "text", "answer")
    others = [
        document("b", "text", "answer"),
        document("a", "txt", "answer"),
        document("a", "text"),
    ]
    (batch,) = batches_of([first])
    assert len(split_digests(batch.digests)) == 1
    assert len({batch.digests, *(batches_of([other])[0].digests for other in others)}) == 4
    repeated = batches_of([first, first])[0]
    assert split_digests(repeated.digests)[0] == batch.digests != split_digests(repeated.digests)[1]


def test_long_documents_make_small_batches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(document_batches, "MAX_BATCH_CHARACTERS", 100)
    batches = batches_of([document(str(number), "x" * 40) for number in range(7)], size=500)
    assert [len(batch.documents) for batch in batches] == [3, 3, 1]
