"""What a dataset's lengths become under other bounds on pixels: never too short."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.config.training import ModelSettings
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.memory.trainable import count_trainable
from deepsynth_tui.estimate.row_statistics import RowStatistics, quantiles
from deepsynth_tui.estimate.warnings import estimate_warnings
from deepsynth_tui.models.image_tokens import PageSize, page_tokens
from deepsynth_tui.models.layout import ImageDimensions
from tests.estimate import models
from tests.estimate.models import configure

IMAGE = ImageDimensions(rule="pixels", hidden=8, layers=1, patch=16, merge=2, max_pixels=4_000_000)
SIDE = 32
"""Pixels a side of one token."""

# Edges in whole tokens, so that no rounding blurs what a page takes.
PAGES = st.integers(2, 40).map(lambda tokens: PageSize(tokens * SIDE, tokens * SIDE))
ROWS = st.lists(st.tuples(st.integers(1, 500), st.lists(PAGES, max_size=3)), min_size=1)
LIMITS = st.one_of(st.none(), st.integers(4, 1600).map(lambda tokens: tokens * SIDE**2))


def facts_of(rows: Any, model: ModelSettings) -> RowStatistics:
    pages = [page for _, images in rows for page in images]
    return RowStatistics(
        rows=len(rows),
        lengths=tuple(sorted(length(row, model) for row in rows)),
        page=max(pages, key=lambda page: page.width, default=None),
        counted=len(rows),
        text=max(text for text, _ in rows),
        pages=max(len(images) for _, images in rows),
    )


def length(row: Any, model: ModelSettings) -> int:
    text, images = row
    return text + sum(page_tokens(page, IMAGE, model) or 0 for page in images)


@given(rows=ROWS, before=LIMITS, after=LIMITS)
def test_no_row_is_longer_than_said(rows: Any, before: int | None, after: int | None):
    seen, wanted = ModelSettings(max_pixels=before), ModelSettings(max_pixels=after)
    changed = facts_of(rows, seen).resized(IMAGE, before=seen, after=wanted)
    # A page that is shrunk keeps its shape, and each edge is rounded down to whole tokens.
    slack = 2 * sum(len(images) for _, images in rows)
    assert changed.lengths[-1] + slack >= facts_of(rows, wanted).lengths[-1]
    assert list(changed.lengths) == sorted(changed.lengths)


def test_pages_of_one_size_are_exact():
    row = (100, [PageSize(20 * SIDE, 20 * SIDE)] * 2)
    seen, wanted = ModelSettings(), ModelSettings(max_pixels=100 * SIDE**2)
    found = facts_of([row], seen)
    assert found.lengths == (900,)
    assert found.resized(IMAGE, before=seen, after=wanted).lengths == (300,)
    smaller = facts_of([row], wanted)
    assert smaller.resized(IMAGE, before=wanted, after=seen).lengths == (900,)
    assert found.resized(IMAGE, before=seen, after=seen) is found
    unknown = RowStatistics(lengths=(900,), page=row[1][0])
    assert unknown.resized(IMAGE, before=seen, after=wanted) is unknown


def test_an_estimate_follows_the_pixels_of_its_configuration():
    page = PageSize(1280, 1280)
    facts = RowStatistics(rows=9, lengths=(1700,), page=page, counted=9, text=100, pages=1)
    grounds = EstimateInputs(
        models.shipped("Qwen/Qwen3-VL-4B-Instruct"), dataset=facts, counted_for=ModelSettings()
    )
    assert grounds.estimate(configure()).tokens_per_sample == 1700
    halved = configure(model={"max_pixels": 640 * 1280})
    assert grounds.estimate(halved).tokens_per_sample < 100 + 640 * 1280 // 32**2 + 1


@given(st.lists(st.integers(0, 9999), min_size=1).map(sorted), st.integers(2, 20))
def test_quantiles_keep_both_ends(values: list[int], count: int):
    found = quantiles(values, count)
    assert (found[0], found[-1], len(found)) == (values[0], values[-1], min(count, len(values)))
    assert list(found) == sorted(found)
    assert set(found) <= set(values)


def test_facts_survive_json():
    found = facts_of([(3, [PageSize(64, 64)])], ModelSettings())
    assert RowStatistics.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert RowStatistics.from_json(RowStatistics().to_json()) == RowStatistics()


def test_what_is_not_known_or_will_be_refused_is_said():
    profile, config = models.shipped("Qwen/Qwen3-VL-4B-Instruct"), configure()

    def said(dataset: RowStatistics) -> str:
        trainable = count_trainable(config, profile)
        return " ".join(estimate_warnings(config, profile, None, trainable, dataset, 2048))

    assert "raise data.max_length to 2500" in said(RowStatistics(lengths=(10, 2500)))
    assert "Not counted. Rows of 2048 tokens (data.max_length) are assumed." in said(
        RowStatistics(note="Not counted.")
    )
    assert "assumed" not in said(RowStatistics(lengths=(10,), note="Half counted."))
    assert not said(RowStatistics(lengths=(10, 2048)))
