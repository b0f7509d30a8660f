"""The size of an adapter on disk, as PEFT writes it."""

from __future__ import annotations

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.optimizer import FLOAT32
from deepsynth_tui.estimate.memory.trainable import TrainableParameters, count_trainable
from deepsynth_tui.estimate.memory.weights import DTYPE_BYTES
from deepsynth_tui.models.layout import ModelLayout

# What the header of a safetensors file says of one tensor besides the module's name: PEFT's prefix
# and ending, number format, shape and place (hf.co/docs/safetensors, "Format").
ENTRY_BYTES = 105


def adapter_file_bytes(config: TrainingConfig, profile: ModelLayout) -> int:
    """Bytes of ``adapter_model.safetensors``.

    Adapters are float32 whatever the base is; what PEFT trains whole keeps the base's format.
    """
    trainable = count_trainable(config, profile)
    per_module = adapter_tensors(config)
    header = sum(per_module * (len(name) + ENTRY_BYTES) for name in trainable.targets)
    return _weight_bytes(config, trainable) + header


def adapter_tensors(config: TrainingConfig) -> int:
    """Tensors of one adapter: A, B, and DoRA's magnitudes."""
    return 3 if config.lora.use_dora else 2


def _weight_bytes(config: TrainingConfig, trainable: TrainableParameters) -> int:
    whole = trainable.copies + trainable.own
    return FLOAT32 * trainable.adapters + DTYPE_BYTES[config.model.dtype] * whole
