"""Rules of the learning rates, and what each schedule takes in `lr_scheduler_kwargs`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from deepsynth_tui.config.rules.rule import Rule

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig

KEY = "training.lr_scheduler_kwargs"
SHAPES = ("linear", "cosine", "1-sqrt")
# transformers/optimization.py, 5.24: arguments of the functions of `TYPE_TO_SCHEDULER_FUNCTION`.
NUMBERS: Mapping[str, frozenset[str]] = {
    "cosine": frozenset({"num_cycles"}),
    "cosine_with_min_lr": frozenset({"num_cycles", "min_lr", "min_lr_rate"}),
    "polynomial": frozenset({"lr_end", "power"}),
    "inverse_sqrt": frozenset({"timescale"}),
    "warmup_stable_decay": frozenset(
        {"num_decay_steps", "num_stable_steps", "min_lr_ratio", "num_cycles"}
    ),
}
TEXTS: Mapping[str, frozenset[str]] = {
    "warmup_stable_decay": frozenset({"warmup_type", "decay_type"})
}
STEPS = frozenset({"num_decay_steps", "num_stable_steps", "timescale"})


def schedule_kwargs_problem(config: TrainingConfig) -> str | None:
    """Return what is wrong with `lr_scheduler_kwargs` for the schedule, None if nothing is."""
    training = config.training
    schedule, given = training.lr_scheduler_type, training.lr_scheduler_kwargs
    numbers, texts = NUMBERS.get(schedule, frozenset()), TEXTS.get(schedule, frozenset())
    for name, value in given.items():
        if name not in numbers | texts:
            taken = ", ".join(sorted(numbers | texts)) or "nothing"
            return f"{name} is no argument of {schedule}, which takes {taken}"
        if name in texts and value not in SHAPES:
            return f"{name} is {value}, and must be one of {', '.join(SHAPES)}"
        if name in numbers and isinstance(value, str):
            return f"{name} is {value}, and must be a number"
        if name in STEPS and not (isinstance(value, int) and value >= 1):
            return f"{name} is {value}, and must be a whole number of steps"
    if schedule == "cosine_with_min_lr":
        if ("min_lr" in given) == ("min_lr_rate" in given):
            return "cosine_with_min_lr needs either min_lr or min_lr_rate, the share of the peak"
        lowest = given.get("min_lr", 0)
        if not isinstance(lowest, str) and lowest >= training.learning_rate:
            return f"min_lr is {lowest}, not below training.learning_rate"
    if schedule == "warmup_stable_decay" and "num_decay_steps" not in given:
        return "warmup_stable_decay needs num_decay_steps, the steps at the end that decay"
    return None


SCHEDULE_RULES = (
    Rule(
        (KEY, "training.lr_scheduler_type", "training.learning_rate"),
        schedule_kwargs_problem,
        "{}",
        "such as min_lr_rate=0.1 with cosine_with_min_lr, or num_decay_steps=50 with "
        "warmup_stable_decay; arguments are those of transformers",
    ),
    Rule(
        ("training.vision_learning_rate", "model.freeze_vision_tower", "lora.modules_to_save"),
        lambda c: (
            c.training.vision_learning_rate is not None
            and c.model.freeze_vision_tower
            and not (c.lora.enabled and c.lora.modules_to_save)
        ),
        "the vision tower is frozen, so there is nothing to learn at this rate",
        "turn model.freeze_vision_tower off, or leave the rate unset",
    ),
    Rule(
        ("training.projector_learning_rate", "model.freeze_projector", "lora.modules_to_save"),
        lambda c: (
            c.training.projector_learning_rate is not None
            and c.model.freeze_projector
            and not (c.lora.enabled and c.lora.modules_to_save)
        ),
        "the projector is frozen, so there is nothing to learn at this rate",
        "turn model.freeze_projector off, or leave the rate unset",
    ),
    Rule(
        ("training.loraplus_lr_ratio", "lora.enabled"),
        lambda c: c.training.loraplus_lr_ratio is not None and not c.lora.enabled,
        "is the ratio of the learning rates of two LoRA matrices, and no adapter is trained",
        "turn lora.enabled on, or leave the ratio unset",
    ),
    *(
        Rule(
            (f"training.{name}", "training.optim"),
            lambda c, name=name: (
                getattr(c.training, name) is not None and c.training.optim == "muon"
            ),
            "muon has one learning rate for all weights",
            "choose another training.optim, or leave it unset",
        )
        for name in ("vision_learning_rate", "projector_learning_rate", "loraplus_lr_ratio")
    ),
)
