"""Muon: which parameters it gets, and that it resumes exactly from its state dict."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from deepsynth_tui.config import yaml_text
from deepsynth_tui.runs.directory import create_run
from deepsynth_tui.training.muon import Muon
from tests.training.conftest import Ran, configuration
from tests.training.test_resume import after, run_in_child


class SmallModel(nn.Module):
    """An embedding, a linear layer with a bias, and an output head."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 8)
        self.layer = nn.Linear(8, 8)
        self.head = nn.Linear(8, 11, bias=False)

    def get_output_embeddings(self) -> nn.Linear:
        return self.head

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(self.words(ids)).tanh())


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        torch.manual_seed(step)
        ids = torch.randint(11, (16,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(ids), ids).backward()
        optimizer.step()


def test_updates_of_matrices_are_nearly_orthogonal() -> None:
    torch.manual_seed(0)
    model = SmallModel()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimizer = Muon(model, learning_rate=0.1, weight_decay=0.0)
    train(model, optimizer, range(1))
    moved = {name: value.detach() - before[name] for name, value in model.named_parameters()}

    spread = torch.linalg.svdvals(moved["layer.weight"])
    assert spread.max() / spread.min() < 3  # of the gradient it is 10 and more
    muon, adamw = optimizer.parts
    assert [value.shape for value in muon.state] == [(8, 8)]
    assert {value.shape for value in adamw.state} == {(11, 8), (8,)}
    # The first AdamW update has the size of the learning rate.
    assert moved["head.weight"].abs().max() == pytest.approx(0.1, rel=1e-3)


def test_a_loaded_state_continues_exactly() -> None:
    torch.manual_seed(0)
    whole = SmallModel()
    broken = copy.deepcopy(whole)
    train(whole, Muon(whole, learning_rate=0.1, weight_decay=0.1), range(6))

    first = Muon(broken, learning_rate=0.1, weight_decay=0.1)
    train(broken, first, range(3))
    second = Muon(broken, learning_rate=0.7, weight_decay=0.1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    train(broken, second, range(3, 6))
    for name, value in whole.named_parameters():
        assert torch.equal(value, broken.get_parameter(name)), name


def test_a_scheduler_reaches_both_parts_after_loading() -> None:
    model = SmallModel()
    optimizer = Muon(model, learning_rate=0.1, weight_decay=0.0)
    optimizer.load_state_dict(optimizer.state_dict())
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    assert [group["lr"] for part in optimizer.parts for group in part.param_groups] == [0.05, 0.05]


@pytest.mark.slow
def test_a_run_with_muon_resumes_exactly(home: Path, values: dict[str, Any]) -> None:
    changes = {
        "training__optim": "muon",
        "training__max_steps": 6,
        "training__save_steps": 2,
        "training__lr_scheduler_type": "cosine",
        "lora__enabled": False,
    }
    text = yaml_text.dump(configuration(values, **changes).model_dump())
    runs = [create_run(home, kind="training", name="small", config_text=text) for _ in range(2)]
    assert run_in_child(runs[0], None, resume=False) == 0
    assert os.WIFSIGNALED(run_in_child(runs[1], after("metric", step=5), resume=False))
    assert run_in_child(runs[1], None, resume=True) == 0
    whole, broken = (Ran(run, 0) for run in runs)
    assert broken.losses[-2:] == whole.losses[-2:]
    state = torch.load(runs[0].checkpoints / "checkpoint-6" / "optimizer.pt", weights_only=True)
    assert len(state["parts"]) == 2
