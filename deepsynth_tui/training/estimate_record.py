"""Estimate a run before its first step, and record the measurements next to the estimate."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import torch

from deepsynth_tui.estimate import measured_runs
from deepsynth_tui.estimate.checkpointing import fits_without, is_automatic, with_checkpointing
from deepsynth_tui.estimate.fixes import Fix, cheapest_fixes
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.page_features import TimeShares
from deepsynth_tui.estimate.resources import Estimate
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.estimate.storage import (
    DiskEstimate,
    estimate_disk,
    processor_bytes,
)
from deepsynth_tui.estimate.timing import total_steps
from deepsynth_tui.machine.gpu_catalogue import Gpu, load_catalogue
from deepsynth_tui.machine.main_memory import available_memory
from deepsynth_tui.machine.match_gpu import match_gpu
from deepsynth_tui.models import layout_server
from deepsynth_tui.models.layout import ModelLayout, Role, load_layout, save_layout
from deepsynth_tui.runs.estimate_vs_measured import Measured, Predicted
from deepsynth_tui.runs.job import Job, JobFailed
from deepsynth_tui.training.failures.memory import is_gpu_out_of_memory, out_of_memory_failure
from deepsynth_tui.units import format_bytes

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.callbacks.memory_time import MemoryTimeCallback

log = logging.getLogger(__name__)

FIX_MARGIN = 0.9
"""A fix for a run that ran out of memory although it should have fitted must need at most this
share of the estimate: by how much the estimate was too low is not known."""
CPU_SHARE = 0.5
"""Share of the free main memory that a run on a CPU may take without gradient checkpointing."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """The GPU of this process: its name from the driver, and its catalogue entry if there is one.

    `available` bytes are what this process already uses and what is free.
    """

    name: str
    available: int
    gpu: Gpu | None


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """An estimate with what it was made from. `hardware` is None on a CPU."""

    config: TrainingConfig
    inputs: EstimateInputs
    estimate: Estimate
    hardware: Hardware | None

    @property
    def predicted(self) -> Predicted:
        """The figures that the run can be compared with.

        Step times are those of the data sheet, not corrected by earlier runs: the correction is
        learned from these records.
        """
        gpu = self.hardware.gpu if self.hardware else None
        rows = [row.seconds_per_step for row in self.estimate.gpus if row.gpu == gpu]
        return Predicted(
            allocated=self.estimate.peak_allocated,
            device=self.estimate.peak_device,
            held_back=self.estimate.cached,
            seconds_per_step=rows[0] if rows else None,
            source=self.estimate.source,
            gpu=self.hardware.name if self.hardware else "",
        )

    @property
    def feature_times(self) -> TimeShares | None:
        """What cached page features change on this machine; shares of FLOPs on a CPU."""
        gpu = self.hardware.gpu if self.hardware else None
        return self.inputs.estimate_on(self.config, (gpu,) if gpu else ()).feature_times

    @property
    def disk(self) -> DiskEstimate:
        """What the run writes."""
        return estimate_disk(
            self.config,
            self.inputs.layout,
            steps=total_steps(self.config, self.inputs.dataset.rows),
            processor=processor_bytes(self.config),
        )

    def cheapest_fix(self) -> Fix | None:
        """Return the cheapest change that makes the run fit this GPU.

        If it should have fitted already, the change must leave a margin.
        """
        if self.hardware is None:
            return None
        target = min(self.hardware.available, int(FIX_MARGIN * self.estimate.needed))
        return cheapest_fixes(self.config, self.inputs, [target])[0]


def estimate_run(config: TrainingConfig, dataset: RowStatistics) -> RunEstimate:
    """Estimate a run on rows of known lengths, with the overhead measured on this machine.

    Model layouts that are not cached are made in this process, which imports PyTorch anyway.

    Raises:
        UnknownModelError: no config of the model or its text encoder was found.
        CatalogueError: the user's own GPU catalogue is invalid.
        Exception: whatever a model's own code raises when it is created without weights.
    """
    model, encoder = config.model, config.text_encoder
    gpus = load_catalogue()
    hardware = _hardware(gpus)
    inputs = EstimateInputs(
        layout=_layout(
            model.name_or_path, model.revision, trust_remote_code=model.trust_remote_code
        ),
        encoder=_layout(encoder.name_or_path, encoder.revision, role="encoder")
        if encoder.enabled
        else None,
        dataset=dataset,
        gpus=gpus,
        overhead=measured_runs.measured_overhead(hardware.name if hardware else None),
        counted_for=model,
    )
    return RunEstimate(config, inputs, inputs.estimate(config), hardware)


def checkpointing_needed(config: TrainingConfig, dataset: RowStatistics) -> bool:
    """Whether the run of `config` needs gradient checkpointing; with `auto`, by the estimate.

    On a CPU, the model may take half of the free main memory: the estimate is one for GPUs.
    """
    if not is_automatic(config):
        return bool(config.training.gradient_checkpointing)
    stored = _estimate_or_reason(with_checkpointing(config, value=False), dataset)
    if isinstance(stored, str):  # `publish_estimate` warns of it
        return True
    needed = stored.estimate.needed
    if stored.hardware is not None:
        available = stored.hardware.available
        fits = fits_without(needed, available)
    else:
        available = available_memory() or 0
        fits = needed <= CPU_SHARE * available
    log.info(
        "gradient checkpointing %s: without, the run needs %s of %s",
        "off" if fits else "on",
        format_bytes(needed),
        format_bytes(available),
    )
    return not fits


def publish_estimate(
    job: Job, config: TrainingConfig, dataset: RowStatistics
) -> RunEstimate | None:
    """Estimate the run and write the estimate to the run directory.

    Returns None, after a warning, if no estimate can be made.
    """
    estimate = _try_to_estimate(job, config, dataset)
    if estimate is None:
        return None
    job.predicted(estimate.predicted, estimate.estimate.to_json())
    log.info("estimated: %s", estimate.predicted)
    return estimate


@contextlib.contextmanager
def record_against(
    estimate: RunEstimate | None, job: Job, memory_time: MemoryTimeCallback
) -> Iterator[None]:
    """Add what the block took to the machine's history, next to the estimate.

    Raises:
        JobFailed: the GPU ran out of memory, with the largest items and what to change.
    """
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError, and cuBLAS' error, are RuntimeErrors
        if estimate is None or not is_gpu_out_of_memory(error):
            raise
        job.measured(memory_time.measured())
        _append_to_history(estimate, job, memory_time, ran_out=True)
        failure = out_of_memory_failure(error, estimate.estimate, estimate.cheapest_fix())
        raise JobFailed(failure) from error
    if estimate is not None and memory_time.steps:
        _append_to_history(estimate, job, memory_time, ran_out=False)


@contextlib.contextmanager
def explain_by_estimate(job: Job, config: TrainingConfig, dataset: RowStatistics) -> Iterator[None]:
    """Explain an out-of-memory error by an estimate that is made only then.

    For all ranks but the first, which publishes the estimate and keeps the records.

    Raises:
        JobFailed: the GPU ran out of memory, with the largest items and what to change.
    """
    try:
        yield
    except RuntimeError as error:
        estimate = _try_to_estimate(job, config, dataset) if is_gpu_out_of_memory(error) else None
        if estimate is None:
            raise
        failure = out_of_memory_failure(error, estimate.estimate, estimate.cheapest_fix())
        raise JobFailed(failure) from error


def history_record(
    estimate: RunEstimate, hardware: Hardware, measured: Measured, *, driver: str, ran_out: bool
) -> measured_runs.MeasuredRun:
    """Return the record of a run that has just ended for the machine's history."""
    return measured_runs.MeasuredRun(
        when=time.time(),
        gpu=hardware.name,
        kind=hardware.gpu.name if hardware.gpu else "",
        driver=driver,
        torch=version("torch"),
        transformers=version("transformers"),
        model=estimate.config.model.name_or_path,
        settings=measured_runs.memory_fingerprint(estimate.config),
        longest=estimate.estimate.tokens_per_sample,
        ran_out=ran_out,
        predicted=estimate.predicted,
        measured=measured,
    )


def _try_to_estimate(
    job: Job, config: TrainingConfig, dataset: RowStatistics
) -> RunEstimate | None:
    estimate = _estimate_or_reason(config, dataset)
    if isinstance(estimate, str):
        job.warning(f"This run has no estimate: {estimate}")
        return None
    return estimate


def _estimate_or_reason(config: TrainingConfig, dataset: RowStatistics) -> RunEstimate | str:
    """Return the estimate of a run, or why there is none."""
    try:
        return estimate_run(config, dataset)
    except Exception as error:  # noqa: BLE001 - a model's own code may raise anything; reported
        reason = str(error).partition("\n")[0]
        return f"{type(error).__name__}: {reason}"


def _append_to_history(
    estimate: RunEstimate, job: Job, memory_time: MemoryTimeCallback, *, ran_out: bool
) -> None:
    if estimate.hardware is None:
        return
    record = history_record(
        estimate,
        estimate.hardware,
        memory_time.measured(),
        driver=memory_time.meter.driver,
        ran_out=ran_out,
    )
    try:
        measured_runs.append_run(record)
    except OSError as error:  # no reason to lose what was trained
        job.warning(f"{measured_runs.history_path()} cannot be written: {error.strerror}")


def _layout(
    name: str, revision: str | None = None, role: Role = "model", *, trust_remote_code: bool = False
) -> ModelLayout:
    layout = load_layout(name, revision, role)
    if layout is None:
        layout = layout_server.build_layout(
            name, revision, role, trust_remote_code=trust_remote_code
        )
        save_layout(layout)
    return layout


def _hardware(gpus: tuple[Gpu, ...]) -> Hardware | None:
    if not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(0)
    free, _ = torch.cuda.mem_get_info()
    return Hardware(
        name=properties.name,
        available=free + torch.cuda.memory_reserved(),
        gpu=match_gpu(properties.name, properties.total_memory, gpus),
    )
