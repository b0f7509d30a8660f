"""What the estimates of one configuration, and of variants of it, are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deepsynth_tui.config.training import ModelSettings, TrainingConfig
from deepsynth_tui.estimate.closed_form import Estimate, estimate
from deepsynth_tui.estimate.process_overhead import PUBLISHED, Overhead
from deepsynth_tui.estimate.row_statistics import UNKNOWN, RowStatistics
from deepsynth_tui.machine.gpu_catalogue import Gpu
from deepsynth_tui.models.layout import ModelLayout


@dataclass(frozen=True, slots=True)
class EstimateInputs:
    """Everything but the configuration; `workflows.estimate.gather` finds it.

    `paces` are measured over predicted step times by the name of a GPU. `dataset` was read with
    the bounds on pixels of `seen_by`; without it, with those of whatever configuration is
    estimated.
    """

    profile: ModelLayout
    encoder: ModelLayout | None = None
    dataset: RowStatistics = UNKNOWN
    gpus: Sequence[Gpu] = ()
    overhead: Overhead = PUBLISHED
    paces: Mapping[str, float] = field(default_factory=dict)
    seen_by: ModelSettings | None = None

    def dataset_for(self, config: TrainingConfig) -> RowStatistics:
        """The dataset as `config` bounds its pages."""
        if self.seen_by is None or self.profile.image is None:
            return self.dataset
        return self.dataset.resized(self.profile.image, before=self.seen_by, after=config.model)

    def estimate(self, config: TrainingConfig) -> Estimate:
        """Estimate `config` for every GPU: about a millisecond."""
        return self.estimate_on(config, self.gpus)

    def estimate_on(self, config: TrainingConfig, gpus: Sequence[Gpu]) -> Estimate:
        """The same for some GPUs alone; memory does not depend on them."""
        return estimate(
            config,
            self.profile,
            gpus=gpus,
            encoder=self.encoder,
            dataset=self.dataset_for(config),
            overhead=self.overhead,
            paces=self.paces,
        )
