"""The report on whether a run fits, how long it takes and what it costs.

Screens, text and JSON show the same report. `fit_report` is arithmetic on `EstimateInputs` (some
hundred estimates); besides, it reads the free disk and main memory of this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from deepsynth_tui.config.precision import float16_changes
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate import measured_runs
from deepsynth_tui.estimate.checkpointing import fits_without, is_automatic, with_checkpointing
from deepsynth_tui.estimate.fixes import Fix, cheapest_fixes, faster_batch, largest_batches
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.learning_rate import LearningRateAdvice, advise_learning_rate
from deepsynth_tui.estimate.ranks import RankPreview, preview_ranks
from deepsynth_tui.estimate.resources import Estimate
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.estimate.storage import StorageEstimate, estimate_storage
from deepsynth_tui.estimate.tweaks import with_values
from deepsynth_tui.machine.gpu_catalogue import Fit, classify_fit
from deepsynth_tui.machine.nvml import Device, device_label


@dataclass(frozen=True, slots=True)
class GpuFit:
    """Whether the run fits a GPU with `available` bytes.

    `available` is all usable memory for a GPU of the catalogue, the free memory for one of this
    machine. `batch` is the largest batch size that fits. `fix` is the cheapest change that makes
    the run fit, None if it fits already or if no change of one or two settings is enough. `faster`
    is a larger batch that makes it faster, None if it does not fit or none does. `float16` are the
    settings, by dotted key, with which it computes nothing in bfloat16, for a GPU that has none;
    the memory is the same.
    """

    name: str
    available: int
    fit: Fit
    headroom: int
    batch: int
    fix: Fix | None
    faster: Fix | None
    float16: Mapping[str, Any] = field(default_factory=dict)

    @property
    def change(self) -> Fix | None:
        """The change that is proposed: to make the run fit, or else to make it faster."""
        return self.fix or self.faster

    @property
    def changes(self) -> Mapping[str, Any]:
        """All settings to change for this GPU."""
        return {**(self.change.changes if self.change else {}), **self.float16}

    @property
    def change_words(self) -> str:
        """Describe `changes`."""
        words = [self.change.words] if self.change else []
        return " and ".join([*words, *(["float16"] if self.float16 else [])])


@dataclass(frozen=True, slots=True)
class FitReport:
    """An estimate, and the fit on the GPUs of this machine and of the catalogue."""

    estimate: Estimate
    dataset: RowStatistics
    machine_gpus: tuple[GpuFit, ...]
    catalogue_gpus: tuple[GpuFit, ...]
    ranks: tuple[RankPreview, ...]
    storage: StorageEstimate
    learning_rate: LearningRateAdvice
    measured: measured_runs.MeasuredRun | None

    def to_json(self) -> dict[str, Any]:
        """Return the report under the keys of ``deepsynth-tui estimate --json``."""
        estimate = self.estimate.to_json()
        return {
            **estimate,
            "warnings": [*estimate["warnings"], *self.storage.shortages],
            "largest_batch": {gpu.name: gpu.batch for gpu in self.catalogue_gpus},
            "cheapest_change": _fixes_json(self.catalogue_gpus),
            "faster_batch": {
                gpu.name: asdict(gpu.faster) for gpu in self.catalogue_gpus if gpu.faster
            },
            "float16_change": {g.name: dict(g.float16) for g in self.catalogue_gpus if g.float16},
            "here": [
                {
                    "name": gpu.name,
                    "free_bytes": gpu.available,
                    "fit": gpu.fit.value,
                    "headroom_bytes": gpu.headroom,
                    "largest_batch": gpu.batch,
                    "cheapest_change": _fixes_json([gpu]).get(gpu.name),
                    "faster_batch": asdict(gpu.faster) if gpu.faster else None,
                    "float16_change": dict(gpu.float16),
                }
                for gpu in self.machine_gpus
            ],
            "ranks": [
                {key: value for key, value in asdict(rank).items() if key != "is_current"}
                for rank in self.ranks
            ],
            "storage": self.storage.to_json(),
            "advised_learning_rate": [self.learning_rate.low, self.learning_rate.high],
            "dataset": {"rows": self.dataset.rows, "counted_rows": self.dataset.counted},
            "measured": asdict(self.measured.measured) if self.measured else None,
        }


def fit_report(
    config: TrainingConfig,
    inputs: EstimateInputs,
    devices: Sequence[Device] = (),
    *,
    refine: Callable[[Estimate], Estimate] | None = None,
) -> FitReport:
    """Report on `config` for the GPUs of the catalogue and the `devices` of this machine.

    `refine` replaces the memory of the closed-form estimate by simulated memory. Results for
    variants of the configuration (batch sizes, fixes and ranks) stay closed-form.
    """
    estimate = inputs.estimate(config)
    if refine is not None:
        estimate = refine(estimate)
    needed = estimate.needed
    needed_on = (
        _needed_by_checkpointing(config, inputs, needed) if refine is None else lambda _: needed
    )
    usable = {gpu.name: gpu.usable_bytes for gpu in inputs.gpus}
    free = {device_label(device): device.free for device in devices}
    without_bfloat16 = {
        *(device_label(device) for device in devices if device.lacks_bfloat16),
        *(gpu.name for gpu in inputs.gpus if not gpu.bfloat16),
    }
    fits = tuple(
        replace(fit, float16=_float16_changes(config, fit.fix))
        if fit.name in without_bfloat16
        else fit
        for fit in fit_gpus(config, inputs, needed_on, [*free.items(), *usable.items()])
    )
    return FitReport(
        estimate=estimate,
        dataset=inputs.dataset_for(config),
        machine_gpus=fits[: len(free)],
        catalogue_gpus=fits[len(free) :],
        ranks=preview_ranks(config, inputs),
        storage=estimate_storage(
            config, inputs.layout, steps=estimate.steps, encoder=inputs.encoder
        ),
        learning_rate=advise_learning_rate(config, inputs.layout),
        measured=measured_runs.find_measured_run(config, estimate.tokens_per_sample),
    )


def fit_gpus(
    config: TrainingConfig,
    inputs: EstimateInputs,
    needed_on: Callable[[int], int],
    gpus: Sequence[tuple[str, int]],
) -> tuple[GpuFit, ...]:
    """Return the fit on each GPU, given by name and available bytes.

    `needed_on` returns the bytes that the run needs where so many are available.
    """
    batches = largest_batches(config, inputs, [available for _, available in gpus])
    too_small = [available for _, available in gpus if available < needed_on(available)]
    fixes = dict(zip(too_small, cheapest_fixes(config, inputs, too_small), strict=True))
    return tuple(
        GpuFit(
            name=name,
            available=available,
            fit=classify_fit(available, needed_on(available)),
            headroom=available - needed_on(available),
            batch=batch,
            fix=fixes.get(available),
            faster=faster_batch(config, inputs, available, batch)
            if available >= needed_on(available)
            else None,
        )
        for (name, available), batch in zip(gpus, batches, strict=True)
    )


def _needed_by_checkpointing(
    config: TrainingConfig, inputs: EstimateInputs, needed: int
) -> Callable[[int], int]:
    """Return the bytes that the run needs by the available ones; `needed` with checkpointing."""
    if not is_automatic(config):
        return lambda _: needed
    without = inputs.estimate_on(with_checkpointing(config, value=False), ()).needed
    return lambda available: without if fits_without(without, available) else needed


def _float16_changes(config: TrainingConfig, fix: Fix | None) -> Mapping[str, Any]:
    return float16_changes(with_values(config, fix.changes) if fix else config)


def _fixes_json(gpus: Sequence[GpuFit]) -> Mapping[str, Any]:
    """The fix of each GPU that the run does not fit, null without one."""
    return {gpu.name: asdict(gpu.fix) if gpu.fix else None for gpu in gpus if gpu.fit is Fit.NO}
