"""How far a merged model is from base + adapter: KL divergence of logits, and changed answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

from deepsynth_tui.adapters.exam.run import answer_rows
from deepsynth_tui.adapters.loaded import collator_of
from deepsynth_tui.training.data.example import ExampleBuilder
from deepsynth_tui.training.evaluation.samples import answer_logits

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from deepsynth_tui.adapters.pages import Pages
    from deepsynth_tui.config.training import TrainingConfig

MAX_COMPARED_TOKENS = 256
"""Tokens of an answer whose logits are compared: the logits of a page take 4 bytes x vocabulary x
tokens on the disk."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How a model differs from base + adapter.

    Attributes:
        kl: Mean Kullback-Leibler divergence from base + adapter per token of the targets, in nats.
        kl_worst_row: The largest mean of a row.
        changed_tokens: Share of the tokens of the targets with another most likely token.
        changed_answers: Generated answers that are another text.
        rows: Rows that were compared, and `tokens` of their targets.
    """

    kl: float
    kl_worst_row: float
    changed_tokens: float
    changed_answers: int
    rows: int
    tokens: int

    def to_json(self) -> dict[str, float]:
        """Return the fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Reference:
    """What base + adapter computes for the pages: answers, and a folder of logits."""

    answers: Sequence[str]
    folder: Path


def measure_reference(
    model: PeftModel | PreTrainedModel, config: TrainingConfig, pages: Pages, folder: Path
) -> Reference:
    """Compute answers and logits of the pages; the logits are written into `folder`."""
    for index, logits in zip(pages.indices, _logits(model, config, pages), strict=True):
        save_file({"logits": logits}, folder / f"{index}.safetensors")
    return Reference(_answers(model, config, pages), folder)


def measure_drift(
    model: PreTrainedModel, config: TrainingConfig, pages: Pages, reference: Reference
) -> Drift:
    """Compare a model with base + adapter on the same pages."""
    divergences: list[torch.Tensor] = []
    changed = 0
    for index, logits in zip(pages.indices, _logits(model, config, pages), strict=True):
        expected = load_file(reference.folder / f"{index}.safetensors")["logits"]
        divergences.append(kl_divergence(expected, logits))
        changed += int((expected.argmax(-1) != logits.argmax(-1)).sum())
    answers = _answers(model, config, pages)
    tokens = sum(map(len, divergences))
    return Drift(
        kl=torch.cat(divergences).mean().item(),
        kl_worst_row=max(values.mean().item() for values in divergences),
        changed_tokens=changed / tokens,
        changed_answers=sum(map(str.__ne__, reference.answers, answers)),
        rows=len(answers),
        tokens=tokens,
    )


def kl_divergence(expected: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Return KL(expected || logits) in nats for each token; both are (tokens, vocabulary)."""
    log_p = expected.double().log_softmax(-1)
    log_q = logits.double().log_softmax(-1)
    divergence = torch.nn.functional.kl_div(log_q, log_p, reduction="none", log_target=True)
    return divergence.sum(-1).clamp_min(0.0)  # rounding may give less


def _logits(
    model: PeftModel | PreTrainedModel, config: TrainingConfig, pages: Pages
) -> Iterator[torch.Tensor]:
    """Yield the logits that predict the target of each row, (tokens, vocabulary)."""
    collator = collator_of(config)
    builder = ExampleBuilder(config.data, collator.reads_images, config.text_encoder.enabled)
    for index in pages.indices:
        chat = collator.render(builder.build(pages.conversation(index)))
        logits = answer_logits(model, collator.encode([chat.last_turn()]), config)
        yield logits[:MAX_COMPARED_TOKENS].contiguous()


def _answers(model: PeftModel | PreTrainedModel, config: TrainingConfig, pages: Pages) -> list[str]:
    size = config.training.per_device_train_batch_size
    answers = answer_rows(model, config, pages.conversation, pages.indices, batch_size=size)
    by_row = {answer.row: answer.output for answer in answers}
    return [by_row[index] for index in pages.indices]
