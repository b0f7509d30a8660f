"""The loss of a causal language model: the sum over learned tokens, divided by their number.

The models of transformers make logits for every token, image tokens included, and some ignore
`num_items_in_batch` and return the mean of their micro-batch. Here the head gets only the positions
that predict a learned token, `LOSS_CHUNK` at a time, so that few logits exist at once.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers.utils.generic import ModelOutput

from deepsynth_tui.estimate.memory.stack_version import LOSS_CHUNK
from deepsynth_tui.training.data.collator import IGNORE_INDEX
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.padding_free.attention import attention_by_row
from deepsynth_tui.training.padding_free.pack import has_padding, pack_rows
from deepsynth_tui.training.text_encoder.soft_tokens import get_text_encoder

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

log = logging.getLogger(__name__)

Head = Callable[[torch.Tensor], torch.Tensor]
"""Hidden states, (tokens, width), to logits, (tokens, vocabulary)."""


@dataclass
class LossOutput(ModelOutput):
    """What the model returns for a batch with labels.

    `loss` is divided by `num_items_in_batch`. `row_losses` are the sums over the learned tokens of
    each row, `row_tokens` the numbers of these tokens.
    """

    loss: torch.Tensor | None = None
    row_losses: torch.Tensor | None = None
    row_tokens: torch.Tensor | None = None


def compute_token_loss(model: PeftModel | PreTrainedModel, *, padding_free: bool = False) -> None:
    """Replace the loss that `model` computes for batches with labels; it returns a `LossOutput`.

    Batches without labels, as in generation, are passed on. The loss is computed within the forward
    pass of the base model, where DDP, FSDP and autocast expect it. With `padding_free`, it gets the
    rows of a padded batch as one sequence.
    """
    base: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    forward = base.forward
    if getattr(base.config.get_text_config(), "output_router_logits", False):
        log.warning("the loss has no part that balances experts: output_router_logits is ignored")
    has_text_encoder = get_text_encoder(model) is not None
    token_losses: Callable[..., tuple[torch.Tensor, torch.Tensor]]
    token_losses = _TokenLosses(base, forward, has_text_encoder=has_text_encoder)
    if padding_free:
        token_losses = _WithoutPadding(base, token_losses)

    @functools.wraps(forward)  # transformers reads the signature
    def forward_with_loss(
        *args: Any,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Any,
    ) -> Any:
        if labels is None:
            return forward(*args, **kwargs)
        kwargs.pop("skip_logits", None)  # the Trainer's request to a model patched by Liger
        # The Trainer turns the cache off in the outermost configuration, which the decoder of a
        # vision-language model does not read: it would keep the keys and values of all layers.
        kwargs["use_cache"] = False
        # The last position predicts nothing.
        targets = F.pad(labels, (0, 1), value=IGNORE_INDEX)[:, 1:]
        rows, losses = token_losses(targets, *args, **kwargs)
        row_tokens = (targets != IGNORE_INDEX).sum(dim=1)
        total = row_tokens.sum() if num_items_in_batch is None else num_items_in_batch
        row_losses = losses.detach().new_zeros(len(labels)).index_add(0, rows, losses.detach())
        return LossOutput(loss=losses.sum() / total, row_losses=row_losses, row_tokens=row_tokens)

    base.forward = forward_with_loss


@dataclass(frozen=True)
class _WithoutPadding:
    """Computes the losses of the learned tokens from packed rows, if rows are padded."""

    base: PreTrainedModel
    token_losses: Callable[..., tuple[torch.Tensor, torch.Tensor]]

    def __call__(
        self, targets: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what `_TokenLosses` returns for padded rows."""
        if not has_padding(kwargs):
            return self.token_losses(targets, *args, **kwargs)
        packed = pack_rows(self.base, kwargs)
        in_sequence = targets[kwargs["attention_mask"].bool()].unsqueeze(0)
        with attention_by_row(packed.lengths):
            _, losses = self.token_losses(in_sequence, *args, **packed.inputs)
        # Learned tokens have the order of the rows in both.
        return (targets != IGNORE_INDEX).nonzero()[:, 0], losses


@dataclass
class HeadCalls:
    """Inputs and outputs of the head in a forward pass."""

    inputs: list[torch.Tensor] = field(default_factory=list)
    outputs: list[torch.Tensor] = field(default_factory=list)


@dataclass
class _TokenLosses:
    """Computes the losses of the learned tokens, for a model whose own forward is `forward`.

    `head` makes the logits of hidden states; None until the first batch shows how, or if the
    model `makes_all_logits` itself, in an unknown way.
    """

    base: PreTrainedModel
    forward: Callable[..., Any]
    has_text_encoder: bool
    head: Head | None = None
    makes_all_logits: bool = False

    def __call__(
        self, targets: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the row and the loss of each learned token; `targets` are (rows, tokens)."""
        module = self.base.get_output_embeddings()
        if module is not None and not self.makes_all_logits:
            with one_token_only(module) as calls:
                outputs = self.forward(*args, **kwargs)
            if self.head is None:
                self.head = self._find_head(module, calls, outputs["logits"], targets)
            if self.head is not None:
                rows, positions = (targets != IGNORE_INDEX).nonzero(as_tuple=True)
                hidden = calls.inputs[0].flatten(0, 1)
                hidden = hidden.index_select(0, rows * targets.shape[1] + positions)
                learned = targets[rows, positions]
                return rows, _losses_in_chunks(self.head, module, hidden, learned)
            self._make_all_logits()
            del outputs
        logits = self.forward(*args, **kwargs)["logits"]
        if logits.shape[:2] != targets.shape:
            raise TrainingError(
                f"{type(self.base).__name__} returns logits of the shape {tuple(logits.shape)} for "
                f"{targets.shape[1]} tokens, so its loss cannot be computed",
                "Choose a model of another architecture.",
                "model.name_or_path",
            )
        rows, positions = (targets != IGNORE_INDEX).nonzero(as_tuple=True)
        learned = logits[rows, positions].float()
        return rows, F.cross_entropy(learned, targets[rows, positions], reduction="none")

    def _find_head(
        self,
        module: nn.Module,
        calls: HeadCalls,
        logits: torch.Tensor,
        targets: torch.Tensor,
    ) -> Head | None:
        """Return how `logits` come from the inputs of the head; None if that is unknown."""
        if len(calls.inputs) != 1 or calls.inputs[0].shape[:2] != targets.shape:
            return None
        output = calls.outputs[0]
        if logits is output:
            return module
        scale = logits_scale(self.base.config)
        scaled = scale(output)
        if logits.shape == scaled.shape and torch.equal(logits.float(), scaled.float()):
            return lambda hidden: scale(module(hidden))
        return None

    def _make_all_logits(self) -> None:
        """Make logits of all tokens from now on, beginning with this batch.

        Raises:
            TrainingError: the forward pass of this batch cannot be repeated.
        """
        name = type(self.base).__name__
        if self.has_text_encoder:  # its output has been consumed
            raise TrainingError(
                f"A text encoder is not supported with {name}: it changes its logits in a way "
                "that is not known",
                "Turn text_encoder.enabled off, or choose a model of another architecture.",
                "text_encoder.enabled",
            )
        log.info("%s makes the logits of all tokens: how it changes them is not known", name)
        self.makes_all_logits = True


@contextmanager
def one_token_only(head: nn.Module) -> Iterator[HeadCalls]:
    """Give the head only the first token of the first row within the block."""
    calls = HeadCalls()

    def keep_first(_: nn.Module, args: tuple[torch.Tensor]) -> torch.Tensor:
        calls.inputs.append(args[0])
        return args[0][:1, :1]

    def keep_output(_: nn.Module, __: Any, output: torch.Tensor) -> None:
        calls.outputs.append(output)

    handles = (
        head.register_forward_pre_hook(keep_first),
        head.register_forward_hook(keep_output),
    )
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def logits_scale(config: PreTrainedConfig) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what models of this configuration do with the output of their head."""
    text = config.get_text_config()
    if (cap := getattr(text, "final_logit_softcapping", None)) is not None:  # Gemma
        return lambda logits: torch.tanh(logits / cap) * cap
    divisor = getattr(text, "logits_scaling", 1.0)  # Granite
    return lambda logits: logits / divisor


def _losses_in_chunks(
    head: Head, module: nn.Module, hidden: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Return the loss of each of `targets`, (tokens,); `hidden` is (tokens, width)."""
    learns = torch.is_grad_enabled()
    if learns and any(parameter.requires_grad for parameter in module.parameters()):
        loss: Callable[..., Any] = functools.partial(checkpoint, _losses, use_reentrant=False)
    elif learns:
        return _FrozenHeadLoss.apply(hidden, targets, head)  # pyright: ignore[reportReturnType]
    else:
        loss = _losses
    chunks = zip(hidden.split(LOSS_CHUNK), targets.split(LOSS_CHUNK), strict=True)
    return torch.cat([loss(head, *chunk) for chunk in chunks])


def _losses(head: Head, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(head(hidden).float(), targets, reduction="none")


class _FrozenHeadLoss(torch.autograd.Function):
    """Computes the gradients of the hidden states in the forward pass: no logits are made twice.

    The loss of a token depends on its own hidden state only.
    """

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, targets: torch.Tensor, head: Head) -> torch.Tensor:
        losses = []
        gradient = torch.empty_like(hidden)
        for start in range(0, len(hidden), LOSS_CHUNK):
            chunk = slice(start, start + LOSS_CHUNK)
            with torch.enable_grad():
                inputs = hidden[chunk].detach().requires_grad_()
                loss = _losses(head, inputs, targets[chunk])
                (gradient[chunk],) = torch.autograd.grad(loss.sum(), inputs)
            losses.append(loss.detach())
        ctx.save_for_backward(gradient)
        return torch.cat(losses) if losses else hidden.new_zeros(0, dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return (gradient * grads[0].unsqueeze(1)).to(gradient.dtype), None, None
