"""Parameters, memory and file size of the adapter for each LoRA rank."""

from __future__ import annotations

from dataclasses import dataclass

from deepsynth_tui.config.fields import fields_by_key
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.adapter_file import adapter_file_bytes
from deepsynth_tui.estimate.inputs import EstimateInputs

RANKS: tuple[int, ...] = fields_by_key(TrainingConfig)["lora.r"].suggested


@dataclass(frozen=True, slots=True)
class RankPreview:
    """The estimate for a rank: `needed` bytes of GPU memory, `adapter_bytes` on disk."""

    r: int
    trainable_params: int
    needed: int
    adapter_bytes: int
    is_current: bool


def preview_ranks(config: TrainingConfig, inputs: EstimateInputs) -> tuple[RankPreview, ...]:
    """Estimate every rank that the form suggests and the current one; empty without LoRA.

    ``lora.rank_pattern`` does not change, so the modules it names keep their rank.
    """
    if not config.lora.enabled:
        return ()
    return tuple(_preview(config, inputs, r) for r in sorted({*RANKS, config.lora.r}))


def _preview(config: TrainingConfig, inputs: EstimateInputs, r: int) -> RankPreview:
    variant = config.model_copy(update={"lora": config.lora.model_copy(update={"r": r})})
    estimate = inputs.estimate_on(variant, ())
    return RankPreview(
        r=r,
        trainable_params=estimate.trainable_params,
        needed=estimate.needed,
        adapter_bytes=adapter_file_bytes(variant, inputs.layout),
        is_current=r == config.lora.r,
    )
