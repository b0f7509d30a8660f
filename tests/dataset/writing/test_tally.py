"""Counts added up shard by shard equal those of all documents."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.dataset.writing.tally import MAX_NAMED_DOCUMENTS, Occurrences, Tally

COUNTS = st.dictionaries(st.sampled_from(["split_tokens", "duplicates"]), st.integers(1, 9))


@given(
    st.lists(st.tuples(st.booleans(), COUNTS, st.text(max_size=3)), max_size=30), st.integers(1, 9)
)
def test_merged_tallies_equal_one_tally(
    documents: list[tuple[bool, dict[str, int], str]], size: int
):
    def tally(numbered: list[tuple[int, tuple[bool, dict[str, int], str]]]) -> Tally:
        counts = Tally()
        for number, (kept, flaws, missing) in numbered:
            counts.add_flaws(f"d{number}", flaws)
            counts.missing.update(missing)
            if kept:
                counts.add_document(
                    f"d{number}",
                    images=[2, 15 + number % 5],
                    lines=number,
                    font_sizes={10 + number % 3: 1},
                    fonts=[f"F{number % 2}"],
                )
            else:
                counts.skipped["empty text"].add(f"d{number}", 1)
        return counts

    numbered = list(enumerate(documents))
    merged = Tally()
    for start in range(0, len(numbered), size):
        metadata = json.dumps(tally(numbered[start : start + size]).to_json())
        merged.merge(Tally.from_json(json.loads(metadata)))
    assert merged == tally(numbered)
    assert merged.documents_read == len(documents)


def test_only_the_first_documents_are_named():
    occurrences = Occurrences()
    for number in range(2 * MAX_NAMED_DOCUMENTS):
        occurrences.add(f"d{number}", 3)
    occurrences.add("none", 0)
    assert (occurrences.count, occurrences.documents) == (
        6 * MAX_NAMED_DOCUMENTS,
        2 * MAX_NAMED_DOCUMENTS,
    )
    assert occurrences.first == [f"d{number}" for number in range(MAX_NAMED_DOCUMENTS)]
    assert (
        occurrences.name_documents()
        == f"d0, d1, d2, d3, d4, d5, d6, d7 and {2 * MAX_NAMED_DOCUMENTS - 8} more"
    )
