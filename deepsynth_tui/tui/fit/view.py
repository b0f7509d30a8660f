"""Everything that the fit panel shows, as one value. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from deepsynth_tui.estimate.closed_form import Estimate
from deepsynth_tui.estimate.report import FitReport, GpuFit
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.machine.nvml import Probe
from deepsynth_tui.tui.fit.gpu_rows import Row, chosen_row, rows


@dataclass(frozen=True)
class FitView:
    """What the panel shows.

    `computed` and `simulated` are of the form as it stands, whose rank is `r`; `before` is of the
    form before its last change. `dataset` is what the estimate knew of the rows. `answer` follows
    a moment later, since it takes hundreds of estimates: one that is not `fresh` is of the form
    before. `chosen` names a GPU's row, "" for none yet.
    """

    computed: Estimate
    r: int
    dataset: RowStatistics
    before: Estimate | None = None
    simulated: Estimate | None = None
    answer: FitReport | None = None
    fresh: bool = True
    probe: Probe | None = None
    chosen: str = ""

    @property
    def estimate(self) -> Estimate:
        """The best estimate there is."""
        return self.simulated or self.computed

    @property
    def earlier(self) -> Estimate | None:
        """What the marks of change compare with: a simulation is compared with the computation."""
        return self.computed if self.simulated else self.before

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The GPUs, those of this machine first."""
        return rows(self.estimate, self.probe)

    @cached_property
    def rows_before(self) -> tuple[Row, ...]:
        """The same with the estimate that marks of change compare with."""
        return rows(self.earlier, self.probe) if self.earlier else ()

    @cached_property
    def row(self) -> Row | None:
        """The GPU that is looked at."""
        return chosen_row(self.rows, self.chosen)

    @property
    def place(self) -> GpuFit | None:
        """What the answer says of that GPU, None until it is of the form as it stands."""
        return self.place_of(self.row) if self.row else None

    def place_of(self, row: Row) -> GpuFit | None:
        """What the answer says of a GPU, None until it is of the form as it stands."""
        return self._places.get(row.name) if self.fresh else None

    @cached_property
    def _places(self) -> Mapping[str, GpuFit]:
        places = (*self.answer.machine_gpus, *self.answer.catalogue_gpus) if self.answer else ()
        return {place.name: place for place in places}
