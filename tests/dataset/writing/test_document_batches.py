"""How documents are dealt: to their side, into groups, with what identifies them."""

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
    digests_of,
    split_of,
)


def dealt(
    documents: Sequence[Document], size: int = 3, fraction: float = 0.0
) -> list[DocumentBatch]:
    found = batch_documents(documents, size=size, eval_fraction=fraction)
    return [group for group in found if group is not None]


def document(name: str, text: str, target: str | None = None) -> Document:
    return Document(source_id=name, text=text, target=target)


@given(
    st.lists(st.text(max_size=3), max_size=40),
    st.integers(1, 7),
    st.floats(0.0, 1.0, exclude_max=True),
)
def test_every_document_is_in_one_group_of_its_side(texts: list[str], size: int, fraction: float):
    documents = [document(str(number), text) for number, text in enumerate(texts)]
    found = dealt(documents, size, fraction)
    for split in (TRAIN, TEST):
        ours = [group for group in found if group.split == split]
        assert [group.number for group in ours] == list(range(len(ours)))
        assert all(len(group.documents) == size for group in ours[:-1])
        names = [int(one.source_id) for group in ours for one in group.documents]
        assert names == sorted(names)
    assert sum(len(group.documents) for group in found) == len(documents)
    sides = {(one.text, group.split) for group in found for one in group.documents}
    assert len(sides) == len({text for text, _ in sides})


def test_the_side_can_be_told_from_the_hash_alone():
    hashes = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(20_000)]
    held_out = {one for one in hashes if split_of(one, 0.1) == TEST}
    assert 1800 < len(held_out) < 2200
    assert held_out < {one for one in hashes if split_of(one, 0.2) == TEST}
    assert not [one for one in hashes if split_of(one, 0.0) == TEST]


def test_the_same_text_with_another_answer_is_no_duplicate():
    documents = [
        document("a", "text", "one"),
        document("b", "text", "two"),
        document("c", "other", "one"),
        document("d", "text", "two"),
    ]
    assert [sorted(group.repeated) for group in dealt(documents)] == [[], [0]]


def test_digests_tell_any_change_of_a_document():
    first = document("a", "text", "answer")
    others = [
        document("b", "text", "answer"),
        document("a", "txt", "answer"),
        document("a", "text"),
    ]
    (one,) = dealt([first])
    assert len(digests_of(one.digests)) == 1
    assert len({one.digests, *(dealt([other])[0].digests for other in others)}) == 4
    again = dealt([first, first])[0]
    assert digests_of(again.digests)[0] == one.digests != digests_of(again.digests)[1]


def test_long_documents_make_small_groups(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(document_batches, "GROUP_CHARACTERS", 100)
    found = dealt([document(str(number), "x" * 40) for number in range(7)], size=500)
    assert [len(group.documents) for group in found] == [3, 3, 1]
