"""The whole answer to "will it fit, how long, what does it cost", for screens, text and JSON alike.

`fit_report` is pure arithmetic on what `workflows.estimate.gather` found, some hundred estimates of
it, but for a look at this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate import measured_runs
from deepsynth_tui.estimate.closed_form import Estimate
from deepsynth_tui.estimate.fixes import Fix, cheapest_fixes, largest_batches
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.ranks import RankPreview, preview_ranks
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.estimate.storage import StorageEstimate, estimate_storage
from deepsynth_tui.machine.gpu_catalogue import Fit, classify_fit
from deepsynth_tui.machine.nvml import Device


@dataclass(frozen=True, slots=True)
class GpuFit:
    """A GPU with `room` bytes to be had: of the catalogue, or of this machine as it is now.

    `batch` is the largest batch that fits, `remedy` the cheapest change that makes the run fit:
    None where it fits already, and where no change of one or two settings does it.
    """

    name: str
    available: int
    fit: Fit
    headroom: int
    batch: int
    fix: Fix | None


@dataclass(frozen=True, slots=True)
class FitReport:
    """An estimate, and what follows from it. `here` are the GPUs of this machine."""

    estimate: Estimate
    dataset: RowStatistics
    machine_gpus: tuple[GpuFit, ...]
    catalogue_gpus: tuple[GpuFit, ...]
    ranks: tuple[RankPreview, ...]
    storage: StorageEstimate
    measured: measured_runs.MeasuredRun | None

    def to_json(self) -> dict[str, Any]:
        """Everything under the keys of ``deepsynth-tui estimate --json``."""
        estimate = self.estimate.to_json()
        return {
            **estimate,
            "warnings": [*estimate["warnings"], *self.storage.shortages],
            "largest_batch": {place.name: place.batch for place in self.catalogue_gpus},
            "cheapest_change": _changes(self.catalogue_gpus),
            "here": [
                {
                    "name": place.name,
                    "free_bytes": place.available,
                    "fit": place.fit.value,
                    "headroom_bytes": place.headroom,
                    "largest_batch": place.batch,
                    "cheapest_change": _changes([place]).get(place.name),
                }
                for place in self.machine_gpus
            ],
            "ranks": [
                {key: value for key, value in asdict(rank).items() if key != "is_current"}
                for rank in self.ranks
            ],
            "storage": self.storage.to_json(),
            "dataset": {"rows": self.dataset.rows, "counted_rows": self.dataset.counted},
            "measured": asdict(self.measured.measured) if self.measured else None,
        }


def fit_report(
    config: TrainingConfig,
    grounds: EstimateInputs,
    devices: Sequence[Device] = (),
    *,
    refine: Callable[[Estimate], Estimate] | None = None,
) -> FitReport:
    """Answer for `config`, for the GPUs of the catalogue and the `devices` of this machine.

    `refine` makes a simulated estimate of the computed one; what follows from variants of the
    configuration, batches and changes and ranks, is computed all the same.
    """
    estimate = grounds.estimate(config)
    if refine is not None:
        estimate = refine(estimate)
    rooms = {gpu.name: gpu.usable_bytes for gpu in grounds.gpus}
    here = {device_label(device): device.free for device in devices}
    found = fit_gpus(config, grounds, estimate.needed, [*here.items(), *rooms.items()])
    return FitReport(
        estimate=estimate,
        dataset=grounds.dataset_for(config),
        machine_gpus=found[: len(here)],
        catalogue_gpus=found[len(here) :],
        ranks=preview_ranks(config, grounds),
        storage=estimate_storage(
            config, grounds.layout, steps=estimate.steps, encoder=grounds.encoder
        ),
        measured=measured_runs.find_measured_run(config, estimate.tokens_per_sample),
    )


def fit_gpus(
    config: TrainingConfig, grounds: EstimateInputs, needed: int, rooms: Sequence[tuple[str, int]]
) -> tuple[GpuFit, ...]:
    """Judge each GPU by its name and room in bytes, for a run that needs so much."""
    batches = largest_batches(config, grounds, [room for _, room in rooms])
    short = [room for _, room in rooms if room < needed]
    remedies = dict(zip(short, cheapest_fixes(config, grounds, short), strict=True))
    return tuple(
        GpuFit(name, room, classify_fit(room, needed), room - needed, batch, remedies.get(room))
        for (name, room), batch in zip(rooms, batches, strict=True)
    )


def device_label(device: Device) -> str:
    """The name of a GPU of this machine, told apart from others of its kind by its place."""
    place = f"{device.slice_of}.{device.index}" if device.slice_of is not None else device.index
    return f"GPU {place}: {device.name}"


def _changes(found: Sequence[GpuFit]) -> Mapping[str, Any]:
    """The cheapest change by the name of each GPU that the run does not fit, null without one."""
    return {
        place.name: asdict(place.fix) if place.fix else None
        for place in found
        if place.fit is Fit.NO
    }
