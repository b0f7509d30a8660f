"""The base is asked after the first step, and answers as it did before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.training.conftest import Ran, Run

pytestmark = pytest.mark.slow


def first(ran: Ran, kind: str) -> tuple[int, Any]:
    """Where the first event of a kind stands, and what it says."""
    return next((n, event.data) for n, event in enumerate(ran.events) if event.kind == kind)


def test_a_base_that_stays_is_asked_after_the_first_step(run: Run) -> None:
    # Trained biases are the base's own: it has to be asked before.
    later, sooner = run(), run(lora__bias="all")
    asked_later, its_answer = first(later, "sample")
    asked_sooner, same_answer = first(sooner, "sample")
    assert first(later, "metric")[0] < asked_later
    assert asked_sooner < first(sooner, "metric")[0]
    assert its_answer["when"] == same_answer["when"] == "before"
    assert its_answer["output"] == same_answer["output"]
    assert its_answer["loss"] == pytest.approx(same_answer["loss"], abs=1e-6)


def test_as_many_rows_are_shown_as_are_wished_page_beside_answer(run: Run) -> None:
    ran = run(data__eval_fraction=0.3, training__show_samples=2)
    told = [event.data for event in ran.of("sample") if event.data["when"] != "during"]
    before, after = told[:2], told[2:]
    assert [one["when"] for one in before + after] == ["before"] * 2 + ["after"] * 2
    assert [one["input"] for one in before] == [one["input"] for one in after]
    assert before[0]["input"] != before[1]["input"]
    # A page of 64 x 64 pixels, 2 x 4 to a character.
    assert all([len(line) for line in one["page"]] == [32] * 16 for one in told)


def test_a_run_of_one_step_is_asked_too(run: Run) -> None:
    only = run(training__max_steps=1)
    assert [event.data["when"] for event in only.of("sample")] == ["before", "after"]
