"""Greedy generation of a batch of answers with the model as it is in training."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import StoppingCriteriaList

from deepsynth_tui.training.features.batch import PAGES
from deepsynth_tui.training.modeling.load import no_grad_autocast
from deepsynth_tui.training.text_encoder.instruction_tokenizer import (
    INSTRUCTION_IDS,
    INSTRUCTION_MASK,
)
from deepsynth_tui.training.text_encoder.soft_tokens import with_encoder_inputs

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, StoppingCriteria
    from transformers.generation.streamers import BaseStreamer

    from deepsynth_tui.training.data.chat_template import RenderedChat
    from deepsynth_tui.training.data.collator import Collator

# `max_new_tokens` over the tokens of the target or document, so that an answer that does not end
# shows as one.
LIMIT_FACTOR = 1.25
MIN_NEW_TOKENS = 48
MAX_DOCUMENT_TOKENS = 256  # of a document that a model transcribes instead of answering
MAX_DOCUMENT_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Answer:
    """A generated answer; `is_cut` if its limit of tokens was reached before it ended."""

    text: str
    is_cut: bool


def answer_limit(collator: Collator, chat: RenderedChat) -> int:
    """Return the `max_new_tokens` for an answer that is compared with its target.

    It suffices for the target and for reading a short document aloud, as base models do. A
    truncated target gets no more tokens than it has: only its beginning is compared.
    """
    target = len(collator.answer_ids(chat))
    if chat.example.answer_truncated:
        return target
    document = (chat.example.document or "")[:MAX_DOCUMENT_CHARACTERS]
    tokens = len(collator.tokenizer(document, add_special_tokens=False)["input_ids"])
    longest = max(target, min(tokens, MAX_DOCUMENT_TOKENS))
    return max(MIN_NEW_TOKENS, math.ceil(LIMIT_FACTOR * longest))


def generate_answers(
    model: PeftModel | PreTrainedModel,
    collator: Collator,
    chats: Sequence[RenderedChat],
    *,
    max_new_tokens: Sequence[int],
    streamer: BaseStreamer | None = None,
    stopping: Sequence[StoppingCriteria] = (),
) -> list[Answer]:
    """Generate the answers to a batch greedily, without special tokens.

    Each answer has its own limit in `max_new_tokens`. `streamer` and `stopping` are passed on to
    `generate`.
    """
    device = next(model.parameters()).device
    inputs = pad_left(collator.encode_prompts(chats), collator.pad_token_id)
    prompts = collator.model_inputs(inputs, device)
    generate: Any = model.generate  # PEFT passes it on to the base model
    with (
        no_grad_autocast(collator.config),
        with_encoder_inputs(model, prompts) as model_inputs,
    ):
        ids = generate(
            **model_inputs,
            max_new_tokens=max(max_new_tokens),
            do_sample=False,
            use_cache=True,
            pad_token_id=collator.pad_token_id,
            eos_token_id=sorted(collator.eos_token_ids) or None,
            streamer=streamer,
            stopping_criteria=StoppingCriteriaList(stopping),
        )
    width = prompts["input_ids"].shape[1]
    # With its own limit, an answer does not depend on the other rows of the batch.
    answers = [row[width : width + limit] for row, limit in zip(ids, max_new_tokens, strict=True)]
    return [
        Answer(
            text=str(collator.tokenizer.decode(answer, skip_special_tokens=True)),
            is_cut=collator.eos_token_ids.isdisjoint(answer.tolist()),
        )
        for answer in answers
    ]


def pad_left(inputs: dict[str, torch.Tensor], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Move the padding to the left, so that generated tokens follow each prompt.

    Changes tensors with one value per token, (rows, tokens), but not the inputs of a text encoder,
    which count other tokens.
    """
    mask = inputs["attention_mask"].bool()
    moved = {}
    for name, value in inputs.items():
        if name in (PAGES, INSTRUCTION_IDS, INSTRUCTION_MASK):
            continue
        if value.shape[:2] == mask.shape:
            rows = [row[row_mask] for row, row_mask in zip(value, mask, strict=True)]
            moved[name] = torch.nn.utils.rnn.pad_sequence(
                rows,
                batch_first=True,
                padding_value=pad_token_id if name == "input_ids" else 0,
                padding_side="left",
            )
    return {**inputs, **moved}


@contextlib.contextmanager
def evaluation_mode(model: PeftModel | PreTrainedModel) -> Iterator[None]:
    """Set evaluation mode; restore the mode and the state of random number generators after."""
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        model.train(training)
