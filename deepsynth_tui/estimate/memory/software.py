"""What the installed training stack holds that another version of it would not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Software:
    """Facts of a version of transformers and PEFT.

    `logits`: bytes per logit at the peak of the loss. `wide_stream`: whether the hidden stream
    runs in float32 beside half-precision weights.
    """

    logits: int
    wide_stream: bool


# transformers 5.23 (``transformers/loss/loss_utils.py``, `ForCausalLMLoss`): log-softmax in
# float32, its gradient and theirs. Our trainer leaves norms and embeddings in half precision.
INSTALLED = Software(logits=12, wide_stream=False)
