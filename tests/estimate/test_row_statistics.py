"""Row statistics under changed pixel limits; estimated lengths are never too short."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.config.model import ModelSettings
from deepsynth_tui.config.training import TrainingConfig
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
"""Pixels per side of a token."""

# Edges are whole tokens, so the token count of a page needs no rounding.
PAGES = st.integers(2, 40).map(lambda tokens: PageSize(tokens * SIDE, tokens * SIDE))
ROWS = st.lists(st.tuples(st.integers(1, 500), st.lists(PAGES, max_size=3)), min_size=1)
LIMITS = st.one_of(st.none(), st.integers(4, 1600).map(lambda tokens: tokens * SIDE**2))


def statistics_of(rows: Any, model: ModelSettings) -> RowStatistics:
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
def test_no_row_is_longer_than_its_estimate(rows: Any, before: int | None, after: int | None):
    old, new = ModelSettings(max_pixels=before), ModelSettings(max_pixels=after)
    resized = statistics_of(rows, old).resized(IMAGE, before=old, after=new)
    # A shrunk page keeps its shape; each edge is rounded down to whole tokens.
    slack = 2 * sum(len(images) for _, images in rows)
    assert resized.lengths[-1] + slack >= statistics_of(rows, new).lengths[-1]
    assert list(resized.lengths) == sorted(resized.lengths)


def test_lengths_are_exact_for_pages_of_one_size():
    row = (100, [PageSize(20 * SIDE, 20 * SIDE)] * 2)
    unlimited, limited = ModelSettings(), ModelSettings(max_pixels=100 * SIDE**2)
    statistics = statistics_of([row], unlimited)
    assert statistics.lengths == (900,)
    assert statistics.resized(IMAGE, before=unlimited, after=limited).lengths == (300,)
    smaller = statistics_of([row], limited)
    assert smaller.resized(IMAGE, before=limited, after=unlimited).lengths == (900,)
    assert statistics.resized(IMAGE, before=unlimited, after=unlimited) is statistics
    unknown = RowStatistics(lengths=(900,), page=row[1][0])
    assert unknown.resized(IMAGE, before=unlimited, after=limited) is unknown


def test_an_estimate_uses_the_pixel_limit_of_its_configuration():
    page = PageSize(1280, 1280)
    statistics = RowStatistics(rows=9, lengths=(1700,), page=page, counted=9, text=100, pages=1)
    inputs = EstimateInputs(
        models.shipped("Qwen/Qwen3-VL-4B-Instruct"), dataset=statistics, counted_for=ModelSettings()
    )
    assert inputs.estimate(configure()).tokens_per_sample == 1700
    halved = configure(model={"max_pixels": 640 * 1280})
    assert inputs.estimate(halved).tokens_per_sample < 100 + 640 * 1280 // 32**2 + 1


@given(st.lists(st.integers(0, 9999), min_size=1).map(sorted), st.integers(2, 20))
def test_quantiles_include_both_ends(values: list[int], count: int):
    sample = quantiles(values, count)
    assert (sample[0], sample[-1], len(sample)) == (values[0], values[-1], min(count, len(values)))
    assert list(sample) == sorted(sample)
    assert set(sample) <= set(values)


def test_json_round_trip():
    statistics = statistics_of([(3, [PageSize(64, 64)])], ModelSettings())
    assert RowStatistics.from_json(json.loads(json.dumps(statistics.to_json()))) == statistics
    assert RowStatistics.from_json(RowStatistics().to_json()) == RowStatistics()


def test_warnings_about_unknown_and_too_long_rows():
    layout, default = models.shipped("Qwen/Qwen3-VL-4B-Instruct"), configure()

    def warnings_for(dataset: RowStatistics, config: TrainingConfig = default) -> str:
        trainable = count_trainable(config, layout)
        return " ".join(estimate_warnings(config, layout, None, trainable, dataset, 2048))

    long = RowStatistics(lengths=(10, 2500))
    for choice, warning_text in (
        ("error", "refuses rows of more than 2048: raise data.max_length to 2500"),
        ("drop", "leaves out rows of more than 2048"),
        ("shorten", "cuts the text of rows of more than 2048"),
    ):
        warning = warnings_for(long, configure(data={"on_too_long": choice}))
        assert "The longest row has 2500 tokens" in warning
        assert warning_text in warning
    assert "Not counted. Rows of 2048 tokens (data.max_length) are assumed." in warnings_for(
        RowStatistics(note="Not counted.")
    )
    assert "assumed" not in warnings_for(RowStatistics(lengths=(10,), note="Half counted."))
    assert not warnings_for(RowStatistics(lengths=(10, 2048)))
