"""The model's answer to one document, and the loss of the right answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from deepsynth_tui.page_thumbnail import CELL_WIDTH, braille_lines
from deepsynth_tui.training.data.collator import IGNORE_INDEX
from deepsynth_tui.training.data.pages import load_page
from deepsynth_tui.training.evaluation.generate import (
    answer_limit,
    evaluation_mode,
    generate_answers,
)
from deepsynth_tui.training.modeling.load import no_grad_autocast

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.data.chat_template import RenderedChat
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.example import Example

MAX_INPUT_CHARACTERS = 2000  # of the document
MAX_PAGE_COLUMNS = 128  # braille characters


@dataclass(frozen=True, slots=True)
class Sample:
    """An answer beside its target, the last answer of a row.

    `is_cut` says whether the answer did not end within its limit. `loss` is the mean over the
    tokens of the target, in nats. `page` is the first page in braille, no lines for a text-only
    model.
    """

    input: str
    target: str
    output: str
    is_cut: bool
    loss: float
    page: tuple[str, ...]


def take_sample(model: PeftModel | PreTrainedModel, collator: Collator, example: Example) -> Sample:
    """Generate the last answer of one example greedily, and compute the loss of the target.

    The model reads everything before it, earlier answers as they are in the dataset.
    """
    chat = collator.render(example)
    device = next(model.parameters()).device
    with evaluation_mode(model):
        limit = answer_limit(collator, chat)
        (answer,) = generate_answers(model, collator, [chat], max_new_tokens=[limit])
        with no_grad_autocast(collator.config):
            inputs = collator.encode([chat.last_turn()])
            loss = model(**collator.model_inputs(inputs, device)).loss
    return Sample(
        input=input_text(chat),
        target=chat.example.answer,
        output=answer.text,
        is_cut=answer.is_cut,
        loss=loss.item(),
        page=tuple(first_page_in_braille(chat, collator)),
    )


def first_page_in_braille(chat: RenderedChat, collator: Collator) -> list[str]:
    """Return the first page of a row in braille, no lines for a text-only model."""
    images = chat.example.images
    if not images:
        return []
    page = load_page(images[0], collator.config.model)
    return braille_lines(page, min(MAX_PAGE_COLUMNS, -(-page.width // CELL_WIDTH)))


def input_text(chat: RenderedChat) -> str:
    """Return the input to show: the beginning of the document, else of the prompt."""
    return (chat.example.document or chat.prompt)[:MAX_INPUT_CHARACTERS]


def answer_logits(
    model: PeftModel | PreTrainedModel, inputs: Mapping[str, Any], config: TrainingConfig
) -> torch.Tensor:
    """Return the logits that predict the answer, float32 on the CPU: (tokens, vocabulary).

    `inputs` are those of one row, with its pixels or with features in place of them.
    """
    device = next(model.parameters()).device
    moved = {
        name: value.to(device) if isinstance(value, torch.Tensor) else value
        for name, value in inputs.items()
        if name != "labels"
    }
    with no_grad_autocast(config):
        logits = model(**moved).logits
    predicts_answer = inputs["labels"][0, 1:] != IGNORE_INDEX
    return logits[0, :-1][predicts_answer.to(logits.device)].float().cpu()
