"""The options of PyTorch's GPU allocator, which a run sets unless the user has."""

from __future__ import annotations

import os

import pytest
import torch

from deepsynth_tui.estimate.closed_form import estimate
from deepsynth_tui.training.environment import (
    ALLOCATOR_VARIABLES,
    allocator_options,
    use_expandable_segments,
)
from deepsynth_tui.training.failures.memory import out_of_memory_failure
from tests.estimate.models import configure, layout
from tests.training.failures.test_advice import FULL


@pytest.fixture(autouse=True)
def _no_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no options set, before and after each test."""
    for name in ALLOCATOR_VARIABLES:
        monkeypatch.setenv(name, "")


def test_segments_are_expandable_by_default() -> None:
    use_expandable_segments()
    assert os.environ["PYTORCH_ALLOC_CONF"] == "expandable_segments:True"
    assert allocator_options() == "PYTORCH_ALLOC_CONF=expandable_segments:True"


@pytest.mark.parametrize("name", ALLOCATOR_VARIABLES)
def test_options_of_the_user_stay(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "max_split_size_mb:128")
    use_expandable_segments()
    assert allocator_options() == f"{name}=max_split_size_mb:128"


def test_they_are_advised_only_to_a_run_without(monkeypatch: pytest.MonkeyPatch) -> None:
    error = torch.OutOfMemoryError(FULL)
    needed = estimate(configure(), layout("qwen3"), gpus=())
    use_expandable_segments()
    assert "expandable_segments" not in out_of_memory_failure(error, needed, None).advice
    monkeypatch.setenv("PYTORCH_ALLOC_CONF", "max_split_size_mb:128")
    advice = out_of_memory_failure(error, needed, None).advice
    assert "expandable_segments:True may be enough" in advice
    assert "PYTORCH_ALLOC_CONF=max_split_size_mb:128" in advice
