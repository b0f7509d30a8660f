"""What each rank of the adapters would take: parameters, memory, and the size of the file."""

from __future__ import annotations

from dataclasses import dataclass

from deepsynth_tui.config.fields import fields_by_key
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.adapter_file import adapter_file_bytes
from deepsynth_tui.estimate.inputs import EstimateInputs

RANKS: tuple[int, ...] = fields_by_key(TrainingConfig)["lora.r"].suggested


@dataclass(frozen=True, slots=True)
class RankPreview:
    """One rank. `needed` bytes of GPU memory, `adapter_bytes` of ``adapter_model.safetensors``."""

    r: int
    trainable_params: int
    needed: int
    adapter_bytes: int
    is_current: bool


def preview_ranks(config: TrainingConfig, grounds: EstimateInputs) -> tuple[RankPreview, ...]:
    """Try every rank the form suggests, and the present one; nothing without LoRA.

    ``lora.rank_pattern`` stays as it is, so modules it names keep their rank.
    """
    if not config.lora.enabled:
        return ()
    return tuple(_preview(config, grounds, r) for r in sorted({*RANKS, config.lora.r}))


def _preview(config: TrainingConfig, grounds: EstimateInputs, r: int) -> RankPreview:
    tried = config.model_copy(update={"lora": config.lora.model_copy(update={"r": r})})
    found = grounds.estimate_on(tried, ())
    return RankPreview(
        r=r,
        trainable_params=found.trainable_params,
        needed=found.needed,
        adapter_bytes=adapter_file_bytes(tried, grounds.layout),
        is_current=r == config.lora.r,
    )
