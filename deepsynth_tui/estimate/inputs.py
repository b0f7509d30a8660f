"""What the estimates of one configuration, and of variants of it, are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deepsynth_tui.config.training import ModelSettings, TrainingConfig
from deepsynth_tui.estimate.closed_form import Estimate, estimate
from deepsynth_tui.estimate.process_overhead import PUBLISHED_OVERHEAD, ProcessOverhead
from deepsynth_tui.estimate.row_statistics import UNKNOWN_ROWS, RowStatistics
from deepsynth_tui.machine.gpu_catalogue import Gpu
from deepsynth_tui.models.layout import ModelLayout


@dataclass(frozen=True, slots=True)
class EstimateInputs:
    """Everything but the configuration; `workflows.estimate.gather` finds it.

    `step_time_ratios` are measured over predicted step times by the name of a GPU. `dataset` was read with
    the bounds on pixels of `counted_for`; without it, with those of whatever configuration is
    estimated.
    """

    layout: ModelLayout
    encoder: ModelLayout | None = None
    dataset: RowStatistics = UNKNOWN_ROWS
    gpus: Sequence[Gpu] = ()
    overhead: ProcessOverhead = PUBLISHED_OVERHEAD
    step_time_ratios: Mapping[str, float] = field(default_factory=dict)
    counted_for: ModelSettings | None = None

    def dataset_for(self, config: TrainingConfig) -> RowStatistics:
        """The dataset as `config` bounds its pages."""
        if self.counted_for is None or self.layout.image is None:
            return self.dataset
        return self.dataset.resized(self.layout.image, before=self.counted_for, after=config.model)

    def estimate(self, config: TrainingConfig) -> Estimate:
        """Estimate `config` for every GPU: about a millisecond."""
        return self.estimate_on(config, self.gpus)

    def estimate_on(self, config: TrainingConfig, gpus: Sequence[Gpu]) -> Estimate:
        """The same for some GPUs alone; memory does not depend on them."""
        return estimate(
            config,
            self.layout,
            gpus=gpus,
            encoder=self.encoder,
            dataset=self.dataset_for(config),
            overhead=self.overhead,
            step_time_ratios=self.step_time_ratios,
        )
