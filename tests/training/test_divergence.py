"""A run that diverged is called that, with advice."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from deepsynth_tui.training.divergence import divergence
from tests.training.conftest import Run

LOGITS = torch.tensor([[0.1, 2.0, -1.0], [1.0, 0.0, 0.5]])


@pytest.mark.parametrize(
    ("losses", "logits", "reason"),
    [
        ([3.0, 2.0, 1.0], LOGITS, None),
        ([], LOGITS, None),
        ([2.0, 2.5, 2.6, 9.0, 2.4], LOGITS, None),  # a hard batch
        ([0.01, 0.05, 0.04, 0.06], LOGITS, None),
        ([6.0, 1e5, 2e5, 3e5, 4e5], LOGITS, "the loss rose from 6.000 to 200000.000"),
        ([6.0, 5.7], torch.zeros_like(LOGITS), "the same probability"),
        ([6.0, 5.7], LOGITS * torch.inf, "infinite or undefined"),
    ],
)
def test_what_shows_divergence(losses: list[float], logits: torch.Tensor, reason: Any) -> None:
    diverged = divergence(losses, logits)
    assert diverged is None if reason is None else reason in str(diverged)


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "lora"), [(1e6, True), (1e2, False)])
def test_a_learning_rate_that_is_far_too_high(run: Run, rate: float, lora: bool) -> None:
    ran = run(training__learning_rate=rate, training__max_steps=6, lora__enabled=lora)
    assert ran.exit_code == 1
    assert "Training diverged" in ran.failure
    assert "training.learning_rate" in ran.failure
    assert "report" not in ran.failure
    assert not ran.run.adapter.exists()
    assert not (ran.run.path / "model").exists()
    assert list(ran.run.checkpoints.iterdir())
