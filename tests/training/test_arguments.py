"""Settings of the loop as transformers gets them: optimizers, kernels and trackers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import nn
from transformers import Trainer

from deepsynth_tui.config.training import TrainingSettings
from deepsynth_tui.training.arguments import training_arguments
from deepsynth_tui.training.watching.trackers import keep_files_in
from tests.training.conftest import configuration

OPTIMIZERS = {*get_args(TrainingSettings.model_fields["optim"].annotation)} - {"muon"}


class Straight(nn.Module):
    """A layer large enough for bitsandbytes to hold its state in 8 bits (4096 numbers)."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 64, bias=False)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": (self.layer(x) - labels).square().mean()}


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer_of_transformers_takes_a_step_on_the_cpu(
    values: dict[str, Any], tmp_path: Path, name: str
) -> None:
    config = configuration(values, training__optim=name, training__max_steps=2)
    torch.manual_seed(0)
    model = Straight()
    before = model.layer.weight.detach().clone()
    rows = [{"x": torch.randn(64), "labels": torch.ones(64)} for _ in range(4)]
    trainer = Trainer(
        model=model,
        args=training_arguments(config, checkpoints=tmp_path, evaluates=False),
        train_dataset=rows,  # pyright: ignore[reportArgumentType] - a list will do
    )
    trainer.train()

    assert trainer.args.optim == name
    assert not torch.equal(before, model.layer.weight)
    assert bool(model.layer.weight.isfinite().all())
    if "8bit" in name:
        optimizer: Any = trainer.optimizer
        dtypes = {
            value.dtype
            for state in optimizer.state.values()
            for value in state.values()
            if isinstance(value, torch.Tensor) and value.numel() == before.numel()
        }
        assert dtypes == {torch.uint8}


def test_trackers_get_the_name_and_liger_its_switch(values: dict[str, Any], tmp_path: Path) -> None:
    config = configuration(values, training__use_liger_kernel=True)
    made = training_arguments(config, checkpoints=tmp_path, evaluates=False)
    assert made.use_liger_kernel
    assert (made.run_name, made.project) == ("small", "deepsynth-tui")
    assert made.trackio_static_space_id is False
    assert not training_arguments(
        configuration(values), checkpoints=tmp_path, evaluates=False
    ).use_liger_kernel


@pytest.mark.parametrize(
    ("tracker", "variable"), [("wandb", "WANDB_DIR"), ("tensorboard", "TENSORBOARD_LOGGING_DIR")]
)
def test_files_of_trackers_lie_in_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tracker: str, variable: str
) -> None:
    monkeypatch.setenv(variable, "")  # so that it is put back
    monkeypatch.delenv(variable)
    keep_files_in(tmp_path, "none")
    assert variable not in os.environ
    keep_files_in(tmp_path, tracker)
    assert os.environ[variable] == str(tmp_path / tracker)
    assert (tmp_path / tracker).is_dir()

    monkeypatch.setenv(variable, str(tmp_path / "own"))
    keep_files_in(tmp_path, tracker)
    assert os.environ[variable] == str(tmp_path / "own")
