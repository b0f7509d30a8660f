"""Memory properties of the training stack (transformers, PEFT, trainer) that differ by version."""

from __future__ import annotations

from dataclasses import dataclass

LOSS_CHUNK = 256
"""Learned tokens whose logits our trainer makes at once (``training/token_loss.py``)."""


@dataclass(frozen=True, slots=True)
class StackVersion:
    """Properties of a version of transformers, PEFT and the training loop.

    `loss_chunk` is the number of tokens whose logits exist at once, None if all tokens have them.
    `loss_bytes_per_logit` are allocated at the peak of the loss. `freed_bytes_per_logit` are freed
    before that peak, in blocks too small for it. `float32_stream`: the hidden states are float32
    although the weights are half precision. `empties_cache`: the loop calls
    ``torch.cuda.empty_cache`` every few steps. `casts_adapter_inputs`: adapters read float32 copies
    even under autocast, as PEFT does.
    """

    loss_bytes_per_logit: int
    freed_bytes_per_logit: int
    float32_stream: bool = False
    empties_cache: bool = False
    loss_chunk: int | None = None
    casts_adapter_inputs: bool = True

    def tokens_with_logits(self, tokens: int) -> int:
        """Return how many of the tokens of a micro-batch have logits at once, at most."""
        return tokens if self.loss_chunk is None else min(tokens, self.loss_chunk)


# transformers 5.23 (``transformers/loss/loss_utils.py``, `ForCausalLMLoss`): log-softmax in
# float32, its gradient and that of the logits; freed before: the model's logits in half precision.
# Our trainer leaves norms, embeddings and the inputs of adapters in half precision.
INSTALLED = StackVersion(
    loss_bytes_per_logit=12,
    freed_bytes_per_logit=2,
    loss_chunk=LOSS_CHUNK,
    casts_adapter_inputs=False,
)
