"""Does it learn? The first steps are watched: gradients in every adapter, and weights that move."""

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
"""Steps that are watched. More than one, for experts that few tokens reach."""
SHOWN_NAMES = 3
IMAGE_TOWERS = ("vision", "projector")
_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(slots=True)
class Learner:
    """What learns as one: the matrices of an adapter, or a tensor that is trained itself.

    It counts as moved once one of `moving` has: an adapter's B matrix, which begins as zero by
    default. `first` are their fingerprints before the first step.
    """

    name: str
    tower: Tower | EncoderPart
    kind: Literal["adapter", "tensor"]
    tensors: list[nn.Parameter] = field(default_factory=list)
    moving: list[nn.Parameter] = field(default_factory=list)
    first: list[torch.Tensor] = field(default_factory=list)
    has_gradient: bool = False
    moved: bool = False


def learners(model: nn.Module) -> list[Learner]:
    """Everything in `model` that is to learn, in the order of its parameters."""
    found: dict[str, Learner] = {}
    for name, parameter, tower in _parameters(model):
        if not parameter.requires_grad:
            continue
        stem, lora, _ = name.partition(".lora_")
        kind = "adapter" if lora else "tensor"
        learner = found.setdefault(f"{tower} {stem}", Learner(strip_peft_prefix(stem), tower, kind))
        learner.tensors.append(parameter)
        if not lora or ".lora_B." in name:
            learner.moving.append(parameter)
    return list(found.values())


def _parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, Tower | EncoderPart]]:
    with without_text_encoder(model) as encoder:
        own = list(model.named_parameters())
    for name, parameter in own:
        yield name, parameter, tower_of_parameter(name)
    if encoder is not None:
        for name, parameter in encoder.encoder.named_parameters():
            yield name, parameter, "text_encoder"
        for name, parameter in encoder.projection.named_parameters():
            yield name, parameter, "text_projection"


def fingerprint(tensor: torch.Tensor) -> torch.Tensor:
    """What changes when any number in `tensor` does: its bits, summed up over the last dimension.

    Exact, and small beside the tensor: a copy of a whole model would not fit beside it.
    """
    bits = tensor.detach().view(_BITS[tensor.element_size()])
    return bits.sum(dim=-1, dtype=torch.int64) if bits.ndim > 1 else bits.clone()


def largest(gradients: Sequence[torch.Tensor]) -> list[float]:
    """Largest magnitude in each gradient, brought to the CPU at once."""
    norms = [torch.linalg.vector_norm(one, ord=float("inf")).float() for one in gradients]
    return torch.stack(norms).tolist() if norms else []


class LearningCheckCallback(TrainerCallback):
    """Looks at gradients in the first steps and at the weights after them, then no more.

    A step whose gradients are not finite, which the scaler of float16 leaves out, tells nothing.
    """

    def __init__(self, job: Job, model: nn.Module) -> None:
        self.job = job
        self.model = model
        self.trainer: DocumentTrainer | None = None  # set once the trainer exists
        self._learners: list[Learner] = []
        self._seen = 0
        self._rate = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Remember the weights, unless the run is resumed behind the first steps."""
        if state.global_step < STEPS:
            self._learners = learners(self.model)
            for learner in self._learners:
                learner.first = [fingerprint(one) for one in learner.moving]

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        optimizer: Any,
        **_: Any,
    ) -> None:
        """Note what has a gradient."""
        if not self._learners:
            return
        having = [
            (learner, tensor.grad)
            for learner in self._learners
            for tensor in learner.tensors
            if tensor.grad is not None
        ]
        sizes = largest([gradient for _, gradient in having])
        if not all(size < float("inf") for size in sizes):
            return
        self._seen += 1
        self._rate = max(self._rate, *(group["lr"] for group in optimizer.param_groups))
        for (learner, _gradient), size in zip(having, sizes, strict=True):
            learner.has_gradient |= size > 0

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Judge once enough was seen, or with the last step.

        Raises:
            TrainingError: nothing in a tower has a gradient.
        """
        last = control.should_training_stop or state.global_step >= state.max_steps
        if self._seen >= STEPS or (self._seen and last):
            watched, self._learners = self._learners, []
            if watched:
                self._judge(watched, state.global_step)

    def _judge(self, watched: list[Learner], step: int) -> None:
        _note_movement(watched)
        self.job.learning(step=step, towers=summary(watched))
        for line in summary_lines(watched):
            log.info("after %d steps, %s", self._seen, line)
        pages = self.trainer is not None and self.trainer.pages_seen
        for warning in learning_warnings(watched, self._seen, self._rate, pages=pages):
            self.job.warning(warning)
            log.warning("%s", warning)


def summary(watched: Iterable[Learner]) -> dict[str, dict[str, int]]:
    """By tower: how many adapters and tensors there are, have gradients, and moved."""
    counts: dict[str, dict[str, int]] = {}
    for learner in watched:
        count = counts.setdefault(
            learner.tower, {"adapters": 0, "tensors": 0, "with_gradient": 0, "moved": 0}
        )
        count[f"{learner.kind}s"] += 1
        count["with_gradient"] += learner.has_gradient
        count["moved"] += learner.moved
    return counts


def summary_lines(watched: Iterable[Learner]) -> list[str]:
    """A line for each tower."""
    lines = []
    for tower, count in summary(watched).items():
        total = count["adapters"] + count["tensors"]
        nouns = " and ".join(noun for noun in ("adapters", "tensors") if count[noun])
        moved = "all" if count["moved"] == total else str(count["moved"])
        name = tower.replace("_", " ")
        lines.append(
            f"{name}: {count['with_gradient']} of {total} {nouns} have gradients, {moved} moved"
        )
    return lines


def learning_warnings(
    watched: Iterable[Learner], steps: int, rate: float, *, pages: bool
) -> list[str]:
    """What the person should know of a few that do not learn. `rate` is the highest learning rate
    so far, `pages` whether any batch had images.

    Raises:
        TrainingError: nothing in a tower has a gradient, though its inputs were there.
    """
    said: list[str] = []
    for tower, those in _by_tower(watched).items():
        dead = [one for one in those if not one.has_gradient]
        still = [one for one in those if one.has_gradient and not one.moved]
        part = tower.replace("_", " ")
        if dead:
            noun = "adapters" if dead[0].kind == "adapter" else "tensors"
            what = (
                f"{len(dead)} of {len(those)} {noun} in the {part} have no "
                f"gradient after {steps} steps: {_names(dead)}"
            )
            if len(dead) < len(those):
                said.append(
                    f"{what}. Experts that no token was sent to have none, and may get one later; "
                    "other modules are never reached by the model's forward pass"
                )
            elif tower in IMAGE_TOWERS and not pages:
                said.append(f"{what}. No row so far has a page")
            else:
                raise TrainingError(
                    f"Nothing learns: {what}",
                    "The forward pass never reaches these modules, no token is sent to these "
                    "experts, or their output has no part in the loss: choose others with "
                    "lora.target_modules, or leave this part frozen.",
                )
        if still and rate > 0:
            said.append(
                f"{len(still)} of {len(those)} have gradients in the {part}, but did not move in "
                f"{steps} steps: {_names(still)}. Steps of training.learning_rate may be too small "
                "for weights in half precision, which then stay where they are"
            )
    return said


def _note_movement(watched: Iterable[Learner]) -> None:
    pairs = [
        (learner, (fingerprint(tensor) != first).any())
        for learner in watched
        for tensor, first in zip(learner.moving, learner.first, strict=True)
    ]
    changes = torch.stack([changed for _, changed in pairs]).tolist()
    for (learner, _), changed in zip(pairs, changes, strict=True):
        learner.moved |= changed


def _by_tower(watched: Iterable[Learner]) -> Mapping[str, list[Learner]]:
    found: dict[str, list[Learner]] = defaultdict(list)
    for learner in watched:
        found[learner.tower].append(learner)
    return found


def _names(those: Sequence[Learner]) -> str:
    shown = ", ".join(one.name for one in those[:SHOWN_NAMES])
    return shown if len(those) <= SHOWN_NAMES else f"{shown} and {len(those) - SHOWN_NAMES} more"
