"""What the installed training stack holds that another version of it would not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StackVersion:
    """Facts of a version of transformers and PEFT, and of the loop that uses them.

    `logits`: bytes per logit at the peak of the loss. `spare_logits`: bytes per logit that were
    in use before that peak, in tensors too small for what follows. `wide_stream`: whether the
    hidden stream runs in float32 beside half-precision weights. `empties_cache`: whether the loop
    gives back what the allocator holds every few steps.
    """

    logits: int
    spare_logits: int
    wide_stream: bool = False
    empties_cache: bool = False


# transformers 5.23 (``transformers/loss/loss_utils.py``, `ForCausalLMLoss`): log-softmax in
# float32, its gradient and theirs; before them the model's own logits in half precision. Our
# trainer leaves norms and embeddings in half precision.
INSTALLED = StackVersion(logits=12, spare_logits=2)
