"""The configuration as transformers gets it: optimizers, kernels and trackers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import nn
from transformers import Trainer

from deepsynth_tui.config.training import TrainingSettings
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.training.arguments import training_arguments
from deepsynth_tui.training.trackers import configure_tracker
from tests.training.conftest import configuration

OPTIMIZERS = {*get_args(TrainingSettings.model_fields["optim"].annotation)} - {"muon"}


class LinearModel(nn.Module):
    """Large enough for bitsandbytes to keep its optimizer state in 8 bits (4096 values)."""

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
    model = LinearModel()
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


def test_tracker_names_and_liger_kernel(values: dict[str, Any], tmp_path: Path) -> None:
    config = configuration(values, training__use_liger_kernel=True)
    arguments = training_arguments(
        config, checkpoints=tmp_path, evaluates=False, run_name="20261125-small"
    )
    assert arguments.use_liger_kernel
    assert (arguments.run_name, arguments.project) == ("20261125-small", "deepsynth-tui")
    assert arguments.trackio_static_space_id is False
    assert not training_arguments(
        configuration(values), checkpoints=tmp_path, evaluates=False
    ).use_liger_kernel


VARIABLES = ("TENSORBOARD_LOGGING_DIR", "WANDB_DIR", "WANDB_RUN_ID", "WANDB_RESUME")


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the variables that trackers read, and restore them after the test."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("unset")
@pytest.mark.parametrize(
    ("tracker", "variables"),
    [
        ("none", {}),
        ("trackio", {}),
        ("tensorboard", {"TENSORBOARD_LOGGING_DIR": "run/tensorboard"}),
        ("wandb", {"WANDB_DIR": "run", "WANDB_RUN_ID": "1-small", "WANDB_RESUME": "allow"}),
    ],
)
def test_trackers_write_to_the_run_directory_and_resume_its_record(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tracker: str, variables: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    configure_tracker(RunDirectory("1-small", Path("run")), tracker)
    assert {name: os.environ[name] for name in VARIABLES if name in os.environ} == variables
    folders = [place for name, place in variables.items() if name.endswith("_DIR")]
    assert all((tmp_path / place).is_dir() for place in folders)


@pytest.mark.usefixtures("unset")
def test_variables_that_the_user_set_are_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "own"))
    monkeypatch.setenv("WANDB_RUN_ID", "mine")
    configure_tracker(RunDirectory("1-small", tmp_path / "run"), "wandb")
    assert os.environ["WANDB_DIR"] == str(tmp_path / "own")
    assert os.environ["WANDB_RUN_ID"] == "mine"
