"""Figures that are added up shard by shard are those of the whole."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.dataset.writing.tally import NAMED, Affected, Tally

COUNTS = st.dictionaries(st.sampled_from(["split_tokens", "duplicates"]), st.integers(1, 9))


@given(
    st.lists(st.tuples(st.booleans(), COUNTS, st.text(max_size=3)), max_size=30), st.integers(1, 9)
)
def test_shard_by_shard_is_the_same_as_at_once(
    documents: list[tuple[bool, dict[str, int], str]], size: int
):
    def tally(numbered: list[tuple[int, tuple[bool, dict[str, int], str]]]) -> Tally:
        one = Tally()
        for number, (kept, flaws, missing) in numbered:
            one.flawed(f"d{number}", flaws)
            one.missing.update(missing)
            if kept:
                one.keep(pages=2, lines=number, font_size=10 + number % 3, fonts=[f"F{number % 2}"])
            else:
                one.skipped["empty text"].add(f"d{number}", 1)
        return one

    numbered = list(enumerate(documents))
    added = Tally()
    for at in range(0, len(numbered), size):
        noted = json.dumps(tally(numbered[at : at + size]).to_json())
        added.merge(Tally.from_json(json.loads(noted)))
    assert added == tally(numbered)
    assert added.read == len(documents)


def test_only_the_first_are_named():
    affected = Affected()
    for number in range(2 * NAMED):
        affected.add(f"d{number}", 3)
    affected.add("none", 0)
    assert (affected.count, affected.documents) == (6 * NAMED, 2 * NAMED)
    assert affected.first == [f"d{number}" for number in range(NAMED)]
    assert affected.named() == f"d0, d1, d2, d3, d4, d5, d6, d7 and {2 * NAMED - 8} more"
