"""The base model is sampled after the first step, with the same result as before it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.training.conftest import Ran, Run

pytestmark = pytest.mark.slow


def first(ran: Ran, kind: str) -> tuple[int, Any]:
    """Return the position and the data of the first event of a kind."""
    return next((n, event.data) for n, event in enumerate(ran.events) if event.kind == kind)


def test_the_base_is_sampled_after_the_first_step_where_adapters_keep_it(run: Run) -> None:
    # Trained biases are weights of the base: it has to be sampled before.
    after_step, before_step = run(), run(lora__bias="all")
    late_position, late_sample = first(after_step, "sample")
    early_position, early_sample = first(before_step, "sample")
    assert first(after_step, "metric")[0] < late_position
    assert early_position < first(before_step, "metric")[0]
    assert late_sample["when"] == early_sample["when"] == "before"
    assert late_sample["output"] == early_sample["output"]
    assert late_sample["loss"] == pytest.approx(early_sample["loss"], abs=1e-6)


def test_show_samples_sets_the_number_of_rows_and_each_has_its_page(run: Run) -> None:
    ran = run(data__eval_fraction=0.3, training__show_samples=2)
    samples = [event.data for event in ran.of("sample") if event.data["when"] != "during"]
    before, after = samples[:2], samples[2:]
    assert [sample["when"] for sample in before + after] == ["before"] * 2 + ["after"] * 2
    assert [sample["input"] for sample in before] == [sample["input"] for sample in after]
    assert before[0]["input"] != before[1]["input"]
    # A page of 64 x 64 pixels; a braille character has 2 x 4.
    assert all([len(line) for line in sample["page"]] == [32] * 16 for sample in samples)


def test_a_run_of_one_step_samples_the_base_too(run: Run) -> None:
    ran = run(training__max_steps=1)
    assert [event.data["when"] for event in ran.of("sample")] == ["before", "after"]
