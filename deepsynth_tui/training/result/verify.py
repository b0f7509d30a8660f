"""Does the folder on disk hold what was trained? Loaded afresh, by PEFT alone, and compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel

from deepsynth_tui.training.evaluation.samples import answer_logits
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.fsdp import shard_model
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.text_encoder import checkpoint
from deepsynth_tui.training.text_encoder.load import load_text_encoder
from deepsynth_tui.training.text_encoder.soft_tokens import text_encoder_attached

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig

# Largest difference of a logit, as a share of the largest logit, at which two computations of one
# model count as the same. Equal weights on equal kernels give 0; bfloat16 keeps 8 bits.
TOLERANCE = 2.0**-7


@dataclass(frozen=True, slots=True)
class Verdict:
    """Differences of the saved weights' logits, as shares of the largest logit.

    `from_trained` should be 0, `from_base` should not.
    """

    from_trained: float
    from_base: float

    @property
    def reproduces(self) -> bool:
        return self.from_trained <= TOLERANCE

    @property
    def changes_the_base(self) -> bool:
        return self.from_base > self.from_trained

    def to_json(self) -> dict[str, Any]:
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
) -> Verdict:
    """Load base and adapter (or the whole model) in `folder` again and compare their logits.

    A text encoder is loaded again with each: as the run began with it, and as it was saved.
    `trained` are the `answer_logits` on `inputs` of the model as it was in memory.

    Raises:
        TrainingError: the saved weights do not reproduce them.
    """
    if config.training.fsdp:
        saved, untrained = _shared_out(folder, config, inputs)
        return _judged(folder, saved=saved, untrained=untrained, trained=trained)
    base = load_model_and_processor(config).model
    encoder = load_text_encoder(base, config)
    with text_encoder_attached(base, encoder):
        untrained = answer_logits(base, inputs, config)
    if config.lora.enabled:
        loaded = PeftModel.from_pretrained(base, str(folder)).eval()
    else:
        del base
        settings = config.model.model_copy(update={"name_or_path": str(folder), "revision": None})
        loaded = load_model_and_processor(config.model_copy(update={"model": settings})).model
    if encoder is not None:
        checkpoint.restore(encoder, folder)
    with text_encoder_attached(loaded, encoder):
        saved = answer_logits(loaded, inputs, config)
    return _judged(folder, saved=saved, untrained=untrained, trained=trained)


def _shared_out(
    folder: Path, config: TrainingConfig, inputs: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The logits of the saved adapter and of its base, which no process may hold alone."""
    base = load_model_and_processor(config, stay_on_cpu=True).model
    # Trainable, so that its weights are left whole, as they were in training.
    loaded = PeftModel.from_pretrained(base, str(folder), is_trainable=True).eval()
    shard_model(loaded)
    saved = answer_logits(loaded, inputs, config)
    with loaded.disable_adapter():
        return saved, answer_logits(loaded, inputs, config)


def _judged(
    folder: Path, *, saved: torch.Tensor, untrained: torch.Tensor, trained: torch.Tensor
) -> Verdict:
    verdict = Verdict(
        from_trained=difference(saved, trained), from_base=difference(saved, untrained)
    )
    if not verdict.reproduces:
        raise TrainingError(
            f"{folder} does not reproduce the trained model: its logits differ by "
            f"{verdict.from_trained:.1%} of the largest",
            "The last checkpoint holds the trained weights. Please report this with config.yaml.",
        )
    return verdict


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """Largest difference of two tensors, as a share of the largest magnitude in `other`."""
    return ((one - other).abs().max() / other.abs().max()).item()
