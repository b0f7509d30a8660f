"""Inputs of the estimates of a configuration and of variants of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deepsynth_tui.config.model import ModelSettings
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.closed_form import estimate
from deepsynth_tui.estimate.process_overhead import PUBLISHED_OVERHEAD, ProcessOverhead
from deepsynth_tui.estimate.resources import Estimate
from deepsynth_tui.estimate.row_statistics import UNKNOWN_ROWS, RowStatistics
from deepsynth_tui.machine.gpu_catalogue import Gpu
from deepsynth_tui.models.layout import ModelLayout


@dataclass(frozen=True, slots=True)
class EstimateInputs:
    """Everything but the configuration; `workflows.estimate.gather_inputs` collects it.

    `step_time_ratios` are measured over predicted step times by the name of a GPU. The tokens of
    `dataset` were counted with the pixel limits of `counted_for`; None means that they hold for any
    configuration.
    """

    layout: ModelLayout
    encoder: ModelLayout | None = None
    dataset: RowStatistics = UNKNOWN_ROWS
    gpus: Sequence[Gpu] = ()
    overhead: ProcessOverhead = PUBLISHED_OVERHEAD
    step_time_ratios: Mapping[str, float] = field(default_factory=dict)
    counted_for: ModelSettings | None = None

    def dataset_for(self, config: TrainingConfig) -> RowStatistics:
        """Return the row statistics with the pixel limits of `config`."""
        if self.counted_for is None or self.layout.image is None:
            return self.dataset
        return self.dataset.resized(self.layout.image, before=self.counted_for, after=config.model)

    def estimate(self, config: TrainingConfig) -> Estimate:
        """Estimate `config` for every GPU. Takes about a millisecond."""
        return self.estimate_on(config, self.gpus)

    def estimate_on(self, config: TrainingConfig, gpus: Sequence[Gpu]) -> Estimate:
        """Estimate `config` for the given GPUs only; memory does not depend on them."""
        return estimate(
            config,
            self.layout,
            gpus=gpus,
            encoder=self.encoder,
            dataset=self.dataset_for(config),
            overhead=self.overhead,
            step_time_ratios=self.step_time_ratios,
        )
