"""How soft tokens get into a decoder: where it embeds its tokens, whichever architecture it is.

The encoder becomes a child of the trained model, so that optimizer, gradient clipping and device
moves hold its parameters too. What the batcher adds to a batch is taken out before the model sees
it, and the output of the input embedding is changed at the places left for it. Only the prefill
of a generation has such places.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from peft import PeftModel
from torch import nn

from deepsynth_tui.training.text_encoder.instructions import IDS, MASK
from deepsynth_tui.training.text_encoder.module import TextEncoder, Waiting
from deepsynth_tui.training.text_encoder.placeholders import ROOM

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    Model = PeftModel | PreTrainedModel

CHILD = "text_encoder"  # the name of the encoder in the model
INPUTS = (IDS, MASK, ROOM)


def attach(model: Model, encoder: TextEncoder) -> Callable[[], None]:
    """Let `model` hear `encoder`, and hold it as its child; the result undoes both.

    Attach after adapters are: PEFT copies modules with their hooks.
    """
    model.add_module(CHILD, encoder)
    handles = (
        model.register_forward_pre_hook(partial(_take, encoder), with_kwargs=True),
        _embedding(model).register_forward_hook(partial(_fill, encoder)),
        model.register_forward_hook(partial(_check, encoder)),
    )

    def detach() -> None:
        for handle in handles:
            handle.remove()
        delattr(model, CHILD)

    return detach


@contextlib.contextmanager
def attached(model: Model, encoder: TextEncoder | None) -> Iterator[None]:
    """Attach for the time of the block; without an encoder nothing happens."""
    detach = attach(model, encoder) if encoder is not None else None
    try:
        yield
    finally:
        if detach is not None:
            detach()


@contextlib.contextmanager
def heard(model: Model, inputs: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the inputs that `generate` knows; the first forward pass in the block hears the rest.

    `generate` refuses inputs that are no parameter of the model.
    """
    encoder = encoder_of(model)
    if encoder is None:
        yield dict(inputs)
        return
    _, known = _take(encoder, model, (), dict(inputs))
    yield known
    _check(encoder)


def encoder_of(model: nn.Module) -> TextEncoder | None:
    """The encoder that is attached to a model."""
    child = model._modules.get(CHILD)
    return child if isinstance(child, TextEncoder) else None


@contextlib.contextmanager
def set_aside(model: nn.Module) -> Iterator[TextEncoder | None]:
    """Take the encoder out of the model's children for the block: it is saved and loaded apart.

    PEFT and transformers would otherwise write its weights among the model's own.
    """
    encoder = encoder_of(model)
    if encoder is None:
        yield None
        return
    delattr(model, CHILD)
    try:
        yield encoder
    finally:
        model.add_module(CHILD, encoder)


def _take(
    encoder: TextEncoder, _model: nn.Module, given: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Before a forward pass: the encoder's inputs wait until the decoder embeds its tokens."""
    if ROOM in named:
        encoder.waiting = Waiting(named[IDS], named[MASK], named[ROOM].bool())
        named = {name: value for name, value in named.items() if name not in INPUTS}
    return given, named


def _fill(
    encoder: TextEncoder, _embedding: nn.Module, _given: tuple[Any, ...], embedded: torch.Tensor
) -> torch.Tensor:
    """After the embedding: put soft tokens into their places."""
    waiting, encoder.waiting = encoder.waiting, None
    if waiting is None:
        return embedded
    soft = encoder(waiting.ids, waiting.mask)
    return embedded.masked_scatter(waiting.room.unsqueeze(-1), soft.to(embedded.dtype))


def _check(encoder: TextEncoder, *_: Any) -> None:
    """After a forward pass: an instruction that nobody heard would be a silent failure."""
    if encoder.waiting is not None:
        raise RuntimeError("The model embedded no tokens, so the instruction never entered it")


def _embedding(model: Model) -> nn.Module:
    decoder: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    return decoder.get_input_embeddings()
