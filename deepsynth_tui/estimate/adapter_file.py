"""The size of ``adapter_model.safetensors``."""

from __future__ import annotations

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.optimizer import FLOAT32
from deepsynth_tui.estimate.memory.trainable import TrainableParameters, count_trainable
from deepsynth_tui.estimate.memory.weights import DTYPE_BYTES
from deepsynth_tui.models.layout import ModelLayout

# Header of a safetensors file per tensor, without the module's name: PEFT's prefix and suffix,
# dtype, shape and offsets (hf.co/docs/safetensors, "Format").
HEADER_ENTRY_BYTES = 105


def adapter_file_bytes(config: TrainingConfig, layout: ModelLayout) -> int:
    """Bytes of ``adapter_model.safetensors``.

    Adapters are float32 whatever the base's dtype is; modules trained in full keep that dtype.
    """
    trainable = count_trainable(config, layout)
    per_module = adapter_tensors(config)
    header = sum(per_module * (len(name) + HEADER_ENTRY_BYTES) for name in trainable.targets)
    return _weight_bytes(config, trainable) + header


def adapter_tensors(config: TrainingConfig) -> int:
    """Number of tensors of an adapter: A, B and, with DoRA, the magnitudes."""
    return 3 if config.lora.use_dora else 2


def _weight_bytes(config: TrainingConfig, trainable: TrainableParameters) -> int:
    full = trainable.module_copies + trainable.in_place
    return FLOAT32 * trainable.adapters + DTYPE_BYTES[config.model.dtype] * full
