"""Names of the files in an adapter directory."""

from __future__ import annotations

ADAPTER_WEIGHTS = "adapter_model.safetensors"  # PEFT's `SAFETENSORS_WEIGHTS_NAME`
PEFT_CONFIG = "adapter_config.json"  # PEFT's `CONFIG_NAME`
LINEAGE = "deepsynth.json"
