"""Verify the saved adapter or model: load it again with PEFT alone and compare its logits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel

from deepsynth_tui.training.evaluation.samples import answer_logits
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.fsdp import shard_model
from deepsynth_tui.training.modeling.load import load_model_and_processor, load_saved_model
from deepsynth_tui.training.text_encoder import checkpoint
from deepsynth_tui.training.text_encoder.load import load_text_encoder
from deepsynth_tui.training.text_encoder.soft_tokens import text_encoder_attached

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig

TOLERANCE = 2.0**-7
"""Largest difference of a logit, as a share of the largest logit, between two computations of the
same model. Equal weights and kernels give 0; bfloat16 has 8 bits of precision."""


@dataclass(frozen=True, slots=True)
class Verification:
    """Differences of the saved weights' logits, as shares of the largest logit.

    `from_trained` should be 0, `from_base` should not.
    """

    from_trained: float
    from_base: float

    @property
    def reproduces(self) -> bool:
        """Whether the saved weights are those that were trained."""
        return self.from_trained <= TOLERANCE

    @property
    def changes_the_base(self) -> bool:
        """Whether training changed the model at all."""
        return self.from_base > self.from_trained

    def to_json(self) -> dict[str, Any]:
        """Return the `verification` of the `done` event."""
        return {
            **asdict(self),
            "reproduces": self.reproduces,
            "changes_the_base": self.changes_the_base,
        }


def verify(
    folder: Path,
    config: TrainingConfig,
    *,
    inputs: dict[str, torch.Tensor],
    trained: torch.Tensor,
) -> Verification:
    """Load base and adapter (or the whole model) in `folder` again and compare their logits.

    `trained` are the `answer_logits` of the model in memory for `inputs`, (tokens, vocabulary).
    A text encoder is loaded twice: as at the start of the run for the base, as saved for the rest.

    Raises:
        TrainingError: the saved weights do not give the logits of the trained ones.
    """
    if config.training.fsdp:
        saved, base_logits = _sharded_logits(folder, config, inputs)
        return _compare(folder, saved=saved, base=base_logits, trained=trained)
    base = load_model_and_processor(config).model
    encoder = load_text_encoder(base, config)
    with text_encoder_attached(base, encoder):
        base_logits = answer_logits(base, inputs, config)
    if config.lora.enabled:
        loaded = PeftModel.from_pretrained(base, str(folder)).eval()
    else:
        del base
        loaded = load_saved_model(folder, config)
    if encoder is not None:
        checkpoint.restore(encoder, folder)
    with text_encoder_attached(loaded, encoder):
        saved = answer_logits(loaded, inputs, config)
    return _compare(folder, saved=saved, base=base_logits, trained=trained)


def _sharded_logits(
    folder: Path, config: TrainingConfig, inputs: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logits of the saved adapter and of its base, sharded over the ranks by FSDP."""
    base = load_model_and_processor(config, stay_on_cpu=True).model
    # Trainable, so that FSDP does not shard its weights, as in training.
    loaded = PeftModel.from_pretrained(base, str(folder), is_trainable=True).eval()
    shard_model(loaded)
    saved = answer_logits(loaded, inputs, config)
    with loaded.disable_adapter():
        return saved, answer_logits(loaded, inputs, config)


def _compare(
    folder: Path, *, saved: torch.Tensor, base: torch.Tensor, trained: torch.Tensor
) -> Verification:
    verification = Verification(
        from_trained=relative_difference(saved, trained),
        from_base=relative_difference(saved, base),
    )
    if not verification.reproduces:
        raise TrainingError(
            f"{folder} does not reproduce the trained model: its logits differ by "
            f"{verification.from_trained:.1%} of the largest",
            "The last checkpoint holds the trained weights. Please report this with config.yaml.",
        )
    return verification


def relative_difference(logits: torch.Tensor, reference: torch.Tensor) -> float:
    """Return the largest difference as a share of the largest magnitude in `reference`."""
    return ((logits - reference).abs().max() / reference.abs().max()).item()
