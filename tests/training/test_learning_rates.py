"""The learning rates of the optimizer's groups over the steps: schedules, towers, LoRA+."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.training.arguments import training_arguments
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.ranks.rank_group import RankGroup
from deepsynth_tui.training.result.checkpoint_record import CheckpointRecord
from deepsynth_tui.training.trainer import DocumentTrainer
from tests.training.conftest import configuration

STEPS = 10
RATE = 0.01


def make_trainer(values: dict[str, Any], folder: Path, **changes: Any) -> DocumentTrainer:
    config = configuration(values, **changes)
    base = load_model_and_processor(config)
    return DocumentTrainer(
        model=lora.add_adapters(base.model, config),
        args=training_arguments(config, checkpoints=folder, evaluates=False),
        processor=base.processor,
        ranks=RankGroup(),
        record=CheckpointRecord(config),
    )


def rates_by_step(trainer: DocumentTrainer) -> list[dict[str, float]]:
    """The learning rate of each trained parameter, by name, before each step and after the last."""
    trainer.create_optimizer_and_scheduler(STEPS)
    optimizer: Any = trainer.optimizer
    schedule: Any = trainer.lr_scheduler
    model: Any = trainer.model
    names = {id(p): name for name, p in model.named_parameters() if p.requires_grad}
    history = []
    for _ in range(STEPS + 1):
        rates = {names[id(p)]: g["lr"] for g in optimizer.param_groups for p in g["params"]}
        assert rates.keys() == set(names.values())
        history.append(rates)
        optimizer.step()
        schedule.step()
    return history


def test_towers_and_matrices_have_rates_of_their_own(
    values: dict[str, Any], tmp_path: Path
) -> None:
    trainer = make_trainer(
        values,
        tmp_path,
        training__loraplus_lr_ratio=4.0,
        training__vision_learning_rate=RATE / 10,
        training__projector_learning_rate=RATE / 2,
        training__weight_decay=0.1,
        model__freeze_vision_tower=False,
        model__freeze_projector=False,
    )
    start, *_, end = rates_by_step(trainer)
    seen = set()
    for name, rate in start.items():
        tower = lora.tower_of_parameter(name)
        expected = {"vision": RATE / 10, "projector": RATE / 2}.get(tower, RATE)
        assert rate == pytest.approx(expected * (4 if "lora_B" in name else 1)), name
        seen.add((tower, "lora_B" in name))
    assert len(seen) == 6
    assert set(end.values()) == {0.0}  # the cosine schedule reaches all groups
    assert trainer.optimizer is not None
    assert all(group["weight_decay"] == 0.1 for group in trainer.optimizer.param_groups[:3])


@pytest.mark.parametrize(
    ("schedule", "arguments", "expected"),
    [
        ("cosine_with_min_lr", {"min_lr_rate": 0.1}, {0: 1.0, 5: 0.55, 10: 0.1}),
        ("cosine_with_min_lr", {"min_lr": RATE / 5}, {0: 1.0, 10: 0.2}),
        (
            "warmup_stable_decay",
            {"num_decay_steps": 4, "decay_type": "linear"},
            {0: 1.0, 6: 1.0, 8: 0.5, 10: 0.0},
        ),
        ("polynomial", {"power": 2.0, "lr_end": 0.0}, {5: 0.25}),
    ],
)
def test_schedules_with_their_arguments(
    values: dict[str, Any],
    tmp_path: Path,
    schedule: str,
    arguments: dict[str, Any],
    expected: dict[int, float],
) -> None:
    trainer = make_trainer(
        values,
        tmp_path,
        training__lr_scheduler_type=schedule,
        training__lr_scheduler_kwargs=arguments,
    )
    history = rates_by_step(trainer)
    for step, share in expected.items():
        (rate,) = set(history[step].values())
        assert rate == pytest.approx(share * RATE, abs=1e-9), step


def test_a_schedule_longer_than_the_run_is_refused(values: dict[str, Any], tmp_path: Path) -> None:
    trainer = make_trainer(
        values,
        tmp_path,
        training__lr_scheduler_type="warmup_stable_decay",
        training__lr_scheduler_kwargs={"num_decay_steps": 9},
        training__warmup_steps=2,
    )
    with pytest.raises(TrainingError, match="rises for 2 steps") as refused:
        trainer.create_optimizer_and_scheduler(STEPS)
    assert refused.value.key == "training.lr_scheduler_kwargs"
