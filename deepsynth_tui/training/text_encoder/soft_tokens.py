"""Hooks that put soft tokens into a decoder's embeddings, whatever its architecture.

The encoder becomes a child of the trained model, so that optimizer, gradient clipping and device
moves include its parameters. Its inputs are removed from a batch before the model sees them, and
the output of the input embedding is replaced at the placeholders. In generation only the prefill
has placeholders.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from peft import PeftModel
from torch import nn

from deepsynth_tui.training.text_encoder.instruction_tokenizer import (
    INSTRUCTION_IDS,
    INSTRUCTION_MASK,
)
from deepsynth_tui.training.text_encoder.module import PendingEncoderInput, TextEncoder
from deepsynth_tui.training.text_encoder.placeholders import SOFT_TOKEN_MASK

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    Model = PeftModel | PreTrainedModel

CHILD_NAME = "text_encoder"  # the encoder's name among the children of the model
ENCODER_INPUTS = (INSTRUCTION_IDS, INSTRUCTION_MASK, SOFT_TOKEN_MASK)


def attach_text_encoder(model: Model, encoder: TextEncoder) -> Callable[[], None]:
    """Feed `encoder` into `model` and make it a child; the returned function undoes both.

    Attach it after the adapters: PEFT copies modules with their hooks.
    """
    model.add_module(CHILD_NAME, encoder)
    handles = (
        model.register_forward_pre_hook(partial(_take_inputs, encoder), with_kwargs=True),
        _input_embeddings(model).register_forward_hook(partial(_insert_soft_tokens, encoder)),
        model.register_forward_hook(partial(_check_consumed, encoder)),
    )

    def detach() -> None:
        for handle in handles:
            handle.remove()
        delattr(model, CHILD_NAME)

    return detach


@contextlib.contextmanager
def text_encoder_attached(model: Model, encoder: TextEncoder | None) -> Iterator[None]:
    """Attach the encoder within the block; do nothing if it is None."""
    detach = attach_text_encoder(model, encoder) if encoder is not None else None
    try:
        yield
    finally:
        if detach is not None:
            detach()


@contextlib.contextmanager
def with_encoder_inputs(model: Model, inputs: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield inputs for `generate`, and pass those of the encoder to the first forward pass.

    `generate` refuses inputs that are not parameters of the model.
    """
    encoder = get_text_encoder(model)
    if encoder is None:
        yield dict(inputs)
        return
    _, model_inputs = _take_inputs(encoder, model, (), dict(inputs))
    yield model_inputs
    _check_consumed(encoder)


def get_text_encoder(model: nn.Module) -> TextEncoder | None:
    """Return the encoder that is attached to a model."""
    child = model._modules.get(CHILD_NAME)
    return child if isinstance(child, TextEncoder) else None


@contextlib.contextmanager
def without_text_encoder(model: nn.Module) -> Iterator[TextEncoder | None]:
    """Remove the encoder from the model's children within the block, and yield it.

    It is saved and loaded separately; PEFT and transformers would write its weights among the
    model's own.
    """
    encoder = get_text_encoder(model)
    if encoder is None:
        yield None
        return
    delattr(model, CHILD_NAME)
    try:
        yield encoder
    finally:
        model.add_module(CHILD_NAME, encoder)


def _take_inputs(
    encoder: TextEncoder, _model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Move the encoder's inputs out of the arguments of a forward pass, into `pending`."""
    if SOFT_TOKEN_MASK in kwargs:
        encoder.pending = PendingEncoderInput(
            kwargs[INSTRUCTION_IDS], kwargs[INSTRUCTION_MASK], kwargs[SOFT_TOKEN_MASK].bool()
        )
        kwargs = {name: value for name, value in kwargs.items() if name not in ENCODER_INPUTS}
    return args, kwargs


def _insert_soft_tokens(
    encoder: TextEncoder, _embedding: nn.Module, _args: tuple[Any, ...], embeddings: torch.Tensor
) -> torch.Tensor:
    """Replace the embeddings of placeholders by soft tokens."""
    pending, encoder.pending = encoder.pending, None
    if pending is None:
        return embeddings
    soft_tokens = encoder(pending.ids, pending.mask)
    mask = pending.soft_token_mask.unsqueeze(-1)
    return embeddings.masked_scatter(mask, soft_tokens.to(embeddings.dtype))


def _check_consumed(encoder: TextEncoder, *_: Any) -> None:
    """Raise if the forward pass never embedded tokens, so that it cannot fail silently."""
    if encoder.pending is not None:
        raise RuntimeError("The model embedded no tokens, so the instruction never entered it")


def _input_embeddings(model: Model) -> nn.Module:
    decoder: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    return decoder.get_input_embeddings()
