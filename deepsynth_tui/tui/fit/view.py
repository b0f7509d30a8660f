"""Everything that the fit panel shows, as one immutable value. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from deepsynth_tui.estimate.report import FitReport, GpuFit
from deepsynth_tui.estimate.resources import Estimate
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.machine.nvml import Probe
from deepsynth_tui.tui.fit.gpu_rows import GpuRow, gpu_rows, select_row


@dataclass(frozen=True)
class FitView:
    """What the fit panel shows.

    Attributes:
        computed: Closed-form estimate of the current form.
        rank: LoRA rank in the current form.
        dataset: Statistics of the dataset's rows that the estimate used.
        previous: Estimate of the form before its last change.
        simulated: Simulated estimate of the current form, if one was asked for.
        report: Largest batches, fixes and ranks. Takes hundreds of estimates, so it arrives later.
        report_is_current: Whether `report` belongs to the current form or to the one before.
        probe: The GPUs of this machine.
        selected_name: Name of the selected GPU, empty until one is selected.
    """

    computed: Estimate
    rank: int
    dataset: RowStatistics
    previous: Estimate | None = None
    simulated: Estimate | None = None
    report: FitReport | None = None
    report_is_current: bool = True
    probe: Probe | None = None
    selected_name: str = ""

    @property
    def estimate(self) -> Estimate:
        """The best estimate available."""
        return self.simulated or self.computed

    @property
    def baseline(self) -> Estimate | None:
        """The estimate that changes are relative to; for a simulation, the computed one."""
        return self.computed if self.simulated else self.previous

    @cached_property
    def gpu_rows(self) -> tuple[GpuRow, ...]:
        """Rows of the GPU table, GPUs of this machine first."""
        return gpu_rows(self.estimate, self.probe)

    @cached_property
    def baseline_rows(self) -> Mapping[str, GpuRow]:
        """Rows of the GPU table for `baseline`, by GPU name."""
        rows = gpu_rows(self.baseline, self.probe) if self.baseline else ()
        return {row.name: row for row in rows}

    @cached_property
    def selected_gpu(self) -> GpuRow | None:
        """The selected row of the GPU table."""
        return select_row(self.gpu_rows, self.selected_name)

    @property
    def selected_fit(self) -> GpuFit | None:
        """The report on the selected GPU, None until it belongs to the current form."""
        return self.fit_of(self.selected_gpu) if self.selected_gpu else None

    def fit_of(self, row: GpuRow) -> GpuFit | None:
        """Return the report on a GPU, None until it belongs to the current form."""
        return self._fits.get(row.name) if self.report_is_current else None

    @cached_property
    def _fits(self) -> Mapping[str, GpuFit]:
        fits = (*self.report.machine_gpus, *self.report.catalogue_gpus) if self.report else ()
        return {fit.name: fit for fit in fits}
