"""Answers of the model, as it is at this moment of training, several at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from deepsynth_tui.training.modeling.load import inference
from deepsynth_tui.training.text_encoder.instructions import IDS, MASK
from deepsynth_tui.training.text_encoder.soft_tokens import heard

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from deepsynth_tui.training.data.collator import Collator, Rendered


def answers(
    model: PeftModel | PreTrainedModel,
    batcher: Collator,
    rendered: Sequence[Rendered],
    *,
    new_tokens: Sequence[int],
) -> list[str]:
    """Generate the answers to a batch, each the likeliest token by token and at most so many
    `new_tokens` long; special tokens are left out."""
    device = next(model.parameters()).device
    inputs = left_padded(batcher.prompts(rendered), batcher.padding)
    prompt = {name: value.to(device) for name, value in inputs.items()}
    generate: Any = model.generate  # PEFT hands it on to the base model
    with inference(batcher.config), heard(model, prompt) as known:
        ids = generate(
            **known,
            max_new_tokens=max(new_tokens),
            do_sample=False,
            use_cache=True,
            pad_token_id=batcher.padding,
            eos_token_id=sorted(batcher.ends) or None,
        )
    width = prompt["input_ids"].shape[1]
    # Cut to its own bound, an answer does not depend on the rows beside it.
    new = [row[width : width + most] for row, most in zip(ids, new_tokens, strict=True)]
    return [str(batcher.tokenizer.decode(row, skip_special_tokens=True)) for row in new]


def left_padded(inputs: dict[str, torch.Tensor], padding: int) -> dict[str, torch.Tensor]:
    """The same prompts, padded on the left: what is generated stands right behind each.

    Tensors with one value per token, (rows, tokens), are moved; all others stay, and so do those
    of a text encoder, whose tokens are others.
    """
    mask = inputs["attention_mask"].bool()
    moved = {}
    for name, value in inputs.items():
        if value.shape[:2] == mask.shape and name not in (IDS, MASK):
            rows = [one[kept] for one, kept in zip(value, mask, strict=True)]
            moved[name] = torch.nn.utils.rnn.pad_sequence(
                rows,
                batch_first=True,
                padding_value=padding if name == "input_ids" else 0,
                padding_side="left",
            )
    return {**inputs, **moved}


@contextlib.contextmanager
def undisturbed(model: PeftModel | PreTrainedModel) -> Iterator[None]:
    """Evaluation mode, after which mode and random numbers are as if nothing had happened."""
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        model.train(training)
