"""The kinds of run, and the model that declares the configuration of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.training import TrainingConfig

RunKind = Literal["dataset", "training"]
Config = TrainingConfig | DatasetConfig

CONFIG_TYPES: Mapping[str, type[TrainingConfig] | type[DatasetConfig]] = {
    "training": TrainingConfig,
    "dataset": DatasetConfig,
}
