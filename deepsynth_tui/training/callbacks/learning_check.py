"""Check in the first steps that everything trainable gets gradients and changes."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.lora import strip_peft_prefix, tower_of_parameter
from deepsynth_tui.training.text_encoder.soft_tokens import without_text_encoder

if TYPE_CHECKING:
    from deepsynth_tui.estimate.memory.text_encoder import EncoderPart
    from deepsynth_tui.models.towers import Tower
    from deepsynth_tui.runs.job import Job
    from deepsynth_tui.training.trainer import DocumentTrainer

log = logging.getLogger(__name__)

STEPS = 5
"""Steps to check. More than one, for experts that get few tokens."""
SHOWN_NAMES = 3
IMAGE_TOWERS = ("vision", "projector")
_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(slots=True)
class TrainableUnit:
    """The matrices of one adapter, or one tensor of the model that is trained directly.

    It counts as moved once one tensor of `moving` has changed: for an adapter its B matrix, which
    is zero by default. `initial` are the fingerprints of `moving` before the first step.
    """

    name: str
    tower: Tower | EncoderPart
    kind: Literal["adapter", "tensor"]
    tensors: list[nn.Parameter] = field(default_factory=list)
    moving: list[nn.Parameter] = field(default_factory=list)
    initial: list[torch.Tensor] = field(default_factory=list)
    has_gradient: bool = False
    moved: bool = False


def trainable_units(model: nn.Module) -> list[TrainableUnit]:
    """Return everything trainable in `model`, in the order of its parameters."""
    units: dict[str, TrainableUnit] = {}
    for name, parameter, tower in _parameters(model):
        if not parameter.requires_grad:
            continue
        stem, lora, _ = name.partition(".lora_")
        kind = "adapter" if lora else "tensor"
        unit = units.setdefault(
            f"{tower} {stem}", TrainableUnit(strip_peft_prefix(stem), tower, kind)
        )
        unit.tensors.append(parameter)
        if not lora or ".lora_B." in name:
            unit.moving.append(parameter)
    return list(units.values())


def _parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, Tower | EncoderPart]]:
    with without_text_encoder(model) as encoder:
        named_parameters = list(model.named_parameters())
    for name, parameter in named_parameters:
        yield name, parameter, tower_of_parameter(name)
    if encoder is not None:
        for name, parameter in encoder.encoder.named_parameters():
            yield name, parameter, "text_encoder"
        for name, parameter in encoder.projection.named_parameters():
            yield name, parameter, "text_projection"


def fingerprint(tensor: torch.Tensor) -> torch.Tensor:
    """Return the bits of `tensor` as integers, summed over the last dimension.

    Any changed number changes it. It is small, where a copy of a whole model would not fit into
    memory.
    """
    bits = tensor.detach().view(_BITS[tensor.element_size()])
    return bits.sum(dim=-1, dtype=torch.int64) if bits.ndim > 1 else bits.clone()


def max_magnitudes(gradients: Sequence[torch.Tensor]) -> list[float]:
    """Return the largest magnitude in each gradient, with one transfer to the CPU."""
    norms = [torch.linalg.vector_norm(grad, ord=float("inf")).float() for grad in gradients]
    return torch.stack(norms).tolist() if norms else []


class LearningCheckCallback(TrainerCallback):
    """Looks at the gradients of the first steps, compares the weights after them, then stops.

    Steps whose gradients are not finite, which the float16 scaler skips, are not counted.
    """

    def __init__(self, job: Job, model: nn.Module, trainer: DocumentTrainer) -> None:
        self.job = job
        self.model = model
        self.trainer = trainer
        self._units: list[TrainableUnit] = []
        self._steps = 0
        self._learning_rate = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Take fingerprints of the weights, unless the run resumes after the first steps."""
        if state.global_step < STEPS:
            self._units = trainable_units(self.model)
            for unit in self._units:
                unit.initial = [fingerprint(tensor) for tensor in unit.moving]

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        optimizer: Any,
        **_: Any,
    ) -> None:
        """Note which units have a gradient that is not zero."""
        if not self._units:
            return
        gradients = [
            (unit, tensor.grad)
            for unit in self._units
            for tensor in unit.tensors
            if tensor.grad is not None
        ]
        magnitudes = max_magnitudes([gradient for _, gradient in gradients])
        if not all(magnitude < float("inf") for magnitude in magnitudes):
            return
        self._steps += 1
        self._learning_rate = max(
            self._learning_rate, *(group["lr"] for group in optimizer.param_groups)
        )
        for (unit, _gradient), magnitude in zip(gradients, magnitudes, strict=True):
            unit.has_gradient |= magnitude > 0

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Report after `STEPS` steps, or after the last one.

        Raises:
            TrainingError: nothing in a tower has a gradient.
        """
        last = control.should_training_stop or state.global_step >= state.max_steps
        if self._steps >= STEPS or (self._steps and last):
            units, self._units = self._units, []
            if units:
                self._report(units, state.global_step)

    def _report(self, units: list[TrainableUnit], step: int) -> None:
        _mark_moved(units)
        self.job.learning(step=step, towers=counts_by_tower(units))
        for line in summary_lines(units):
            log.info("after %d steps, %s", self._steps, line)
        for warning in learning_warnings(
            units, self._steps, self._learning_rate, pages_seen=self.trainer.pages_seen
        ):
            self.job.warning(warning)
            log.warning("%s", warning)


def counts_by_tower(units: Iterable[TrainableUnit]) -> dict[str, dict[str, int]]:
    """Count per tower the adapters, the tensors, and those with a gradient and that moved."""
    counts: dict[str, dict[str, int]] = {}
    for unit in units:
        count = counts.setdefault(
            unit.tower, {"adapters": 0, "tensors": 0, "with_gradient": 0, "moved": 0}
        )
        count[f"{unit.kind}s"] += 1
        count["with_gradient"] += unit.has_gradient
        count["moved"] += unit.moved
    return counts


def summary_lines(units: Iterable[TrainableUnit]) -> list[str]:
    """Return the counts of each tower as a line."""
    lines = []
    for tower, count in counts_by_tower(units).items():
        total = count["adapters"] + count["tensors"]
        nouns = " and ".join(noun for noun in ("adapters", "tensors") if count[noun])
        moved = "all" if count["moved"] == total else str(count["moved"])
        name = tower.replace("_", " ")
        lines.append(
            f"{name}: {count['with_gradient']} of {total} {nouns} have gradients, {moved} moved"
        )
    return lines


def learning_warnings(
    units: Iterable[TrainableUnit], steps: int, learning_rate: float, *, pages_seen: bool
) -> list[str]:
    """Return warnings about units that do not learn.

    `learning_rate` is the highest so far, `pages_seen` whether any batch had images.

    Raises:
        TrainingError: nothing in a tower has a gradient, although there was input for it.
    """
    warnings: list[str] = []
    for tower, tower_units in _by_tower(units).items():
        without_gradient = [unit for unit in tower_units if not unit.has_gradient]
        unmoved = [unit for unit in tower_units if unit.has_gradient and not unit.moved]
        name = tower.replace("_", " ")
        if without_gradient:
            noun = "adapters" if without_gradient[0].kind == "adapter" else "tensors"
            problem = (
                f"{len(without_gradient)} of {len(tower_units)} {noun} in the {name} have no "
                f"gradient after {steps} steps: {_names(without_gradient)}"
            )
            if len(without_gradient) < len(tower_units):
                warnings.append(
                    f"{problem}. Experts that got no token have none, and may get one later; "
                    "other modules are never reached by the model's forward pass"
                )
            elif tower in IMAGE_TOWERS and not pages_seen:
                warnings.append(f"{problem}. No row so far has a page")
            else:
                raise TrainingError(
                    f"Nothing learns: {problem}",
                    "The forward pass never reaches these modules, these experts get no token, "
                    "or the loss does not depend on their output: choose others with "
                    "lora.target_modules, or leave this part frozen.",
                )
        if unmoved and learning_rate > 0:
            warnings.append(
                f"{len(unmoved)} of {len(tower_units)} have gradients in the {name}, but did not "
                f"move in {steps} steps: {_names(unmoved)}. With weights in half precision, "
                "updates of training.learning_rate may be too small to change them"
            )
    return warnings


def _mark_moved(units: Iterable[TrainableUnit]) -> None:
    pairs = [
        (unit, (fingerprint(tensor) != initial).any())
        for unit in units
        for tensor, initial in zip(unit.moving, unit.initial, strict=True)
    ]
    changes = torch.stack([changed for _, changed in pairs]).tolist()
    for (unit, _), changed in zip(pairs, changes, strict=True):
        unit.moved |= changed


def _by_tower(units: Iterable[TrainableUnit]) -> Mapping[str, list[TrainableUnit]]:
    towers: dict[str, list[TrainableUnit]] = defaultdict(list)
    for unit in units:
        towers[unit.tower].append(unit)
    return towers


def _names(units: Sequence[TrainableUnit]) -> str:
    shown = ", ".join(unit.name for unit in units[:SHOWN_NAMES])
    return shown if len(units) <= SHOWN_NAMES else f"{shown} and {len(units) - SHOWN_NAMES} more"
