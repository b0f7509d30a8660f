"""Whether packed rows are, to a model, the rows that they are separately."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel

from deepsynth_tui.training.evaluation.generate import evaluation_mode
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.load import no_grad_autocast
from deepsynth_tui.training.padding_free.attention import attention_by_row, use_row_attention
from deepsynth_tui.training.padding_free.pack import pack_rows
from deepsynth_tui.training.token_loss import one_token_only

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.data.chat_template import RenderedChat
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import Rows

log = logging.getLogger(__name__)

KEY = "training.padding_free"
TOLERANCE = 0.05
"""Of the norm of a hidden state. In half precision last bits depend on the number of tokens, and
experts may be chosen by them; rows that see each other differ by several times that."""
FIRST_TOKENS = 4
"""Tokens of a row whose difference counts by itself: a convolution mixes rows only there."""


def prepare_padding_free(
    model: PeftModel | PreTrainedModel,
    collator: Collator,
    rows: Rows,
    lengths: Sequence[int],
    config: TrainingConfig,
) -> None:
    """Let `model` attend to packed rows one by one, and compare some: short, longest, short.

    Raises:
        TrainingError: packed, they differ from what they are separately.
    """
    base: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    use_row_attention(base)
    ascending = sorted(range(len(lengths)), key=lengths.__getitem__)
    compared = (ascending[0], ascending[-1], ascending[min(1, len(ascending) - 1)])
    chats = [collator.render(rows[position]) for position in compared]
    with evaluation_mode(model), no_grad_autocast(config):
        separate = [_hidden_states(model, _inputs(model, collator, [chat])) for chat in chats]
        try:
            packed = pack_rows(base, _inputs(model, collator, chats))
            with attention_by_row(packed.lengths):
                together = _hidden_states(model, packed.inputs)
        except torch.OutOfMemoryError:
            raise
        except (LookupError, RuntimeError, TypeError, ValueError) as error:
            raise _refusal(base, str(error)) from error
    difference = max(map(_difference, together.split(packed.lengths), separate))
    if not difference <= TOLERANCE:
        raise _refusal(base, f"without it, hidden states differ by {difference:.0%}")
    log.info("rows have the same hidden states without padding, within %.1g", difference)


def _inputs(
    model: PeftModel | PreTrainedModel, collator: Collator, chats: Sequence[RenderedChat]
) -> Any:
    inputs = collator.model_inputs(collator.encode(chats), next(model.parameters()).device)
    inputs.pop("labels")
    return inputs


def _hidden_states(model: Any, inputs: Mapping[str, Any]) -> torch.Tensor:
    """Return what the head gets for a sequence, (tokens, width)."""
    head = model.get_output_embeddings()
    if head is None:
        raise _refusal(model, "it has no head whose inputs could be compared")
    with one_token_only(head) as calls:
        model(**inputs, use_cache=False)  # FSDP gathers what the outermost module is called for
    if len(calls.inputs) != 1:
        raise _refusal(model, f"it calls its head {len(calls.inputs)} times")
    return calls.inputs[0].squeeze(0).float()


def _difference(packed: torch.Tensor, separate: torch.Tensor) -> float:
    """Return the mean difference of hidden states, of the first or of all tokens, by their norm."""
    by_token = (packed - separate).norm(dim=1) / separate.norm(dim=1)
    return max(by_token.mean().item(), by_token[:FIRST_TOKENS].mean().item())


def _refusal(model: Any, reason: str) -> TrainingError:
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    return TrainingError(
        f"Rows without padding are not supported with {type(base).__name__}: {reason}",
        f"Turn {KEY} off; training.train_sampling_strategy: group_by_length needs less padding.",
        KEY,
    )
