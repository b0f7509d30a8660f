"""What a run is expected to take, told before its first step and held against what it took."""

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
from deepsynth_tui.estimate.closed_form import Estimate
from deepsynth_tui.estimate.fixes import Fix, cheapest_fixes
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.estimate.storage import DiskEstimate, estimate_disk, processor_bytes
from deepsynth_tui.estimate.timing import total_steps
from deepsynth_tui.machine.gpu_catalogue import Gpu, load_catalogue
from deepsynth_tui.machine.match_gpu import match_gpu
from deepsynth_tui.models import layout_server as profile_job
from deepsynth_tui.models.layout import ModelLayout, Role, load_layout, save_layout
from deepsynth_tui.runs.estimate_vs_measured import Measured, Predicted
from deepsynth_tui.runs.job import Job, JobFailed
from deepsynth_tui.training.failures.memory import is_gpu_out_of_memory, out_of_memory_failure

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.callbacks.memory_time import MemoryTimeCallback

log = logging.getLogger(__name__)

RELIEF = 0.9
"""A run that ran out although it should have fitted is advised to need this share of what was
estimated: how much too low that was is not known."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """The GPU of this process: its name by the driver, and its catalogue entry if it has one.

    `room` bytes that this process can have: what it holds, and what no other process does.
    """

    name: str
    room: int
    known: Gpu | None


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """An estimate with what it was made from. `hardware` is None on a CPU."""

    config: TrainingConfig
    grounds: EstimateInputs
    estimate: Estimate
    hardware: Hardware | None

    @property
    def predicted(self) -> Predicted:
        """The figures that a run can be held against. Step times are those of the data sheet,
        not corrected by earlier runs, so that the history can learn from them."""
        known = self.hardware.known if self.hardware else None
        here = [row.seconds_per_step for row in self.estimate.gpus if row.gpu == known]
        return Predicted(
            allocated=self.estimate.peak_allocated,
            device=self.estimate.peak_device,
            held_back=self.estimate.cached,
            seconds_per_step=here[0] if here else None,
            source=self.estimate.source,
            gpu=self.hardware.name if self.hardware else "",
        )

    @property
    def disk(self) -> DiskEstimate:
        """What the run writes."""
        return estimate_disk(
            self.config,
            self.grounds.layout,
            steps=total_steps(self.config, self.grounds.dataset.rows),
            processor=processor_bytes(self.config),
        )

    def remedy(self) -> Fix | None:
        """The cheapest change that makes the run fit this GPU, or fit it with room to spare where
        it should have fitted already."""
        if self.hardware is None:
            return None
        room = min(self.hardware.room, int(RELIEF * self.estimate.needed))
        return cheapest_fixes(self.config, self.grounds, [room])[0]


def estimate_run(config: TrainingConfig, dataset: RowStatistics) -> RunEstimate:
    """Estimate a run on rows whose lengths are known, with this machine's own overhead.

    Profiles that are not cached are built in this process, which has PyTorch anyway.

    Raises:
        UnknownModelError: no config of the model or its text encoder was found.
        CatalogueError: the person's own GPU catalogue cannot be used.
        Exception: whatever a model's own code raises when it is built without weights.
    """
    model, encoder = config.model, config.text_encoder
    gpus = load_catalogue()
    hardware = _hardware(gpus)
    grounds = EstimateInputs(
        layout=_profile(
            model.name_or_path, model.revision, trust_remote_code=model.trust_remote_code
        ),
        encoder=_profile(encoder.name_or_path, encoder.revision, role="encoder")
        if encoder.enabled
        else None,
        dataset=dataset,
        gpus=gpus,
        overhead=measured_runs.measured_overhead(hardware.name if hardware else None),
        counted_for=model,
    )
    return RunEstimate(config, grounds, grounds.estimate(config), hardware)


def publish_estimate(
    job: Job, config: TrainingConfig, dataset: RowStatistics
) -> RunEstimate | None:
    """Make the forecast and freeze it in the run; None, and a warning, where none can be made."""
    made = _tried(job, config, dataset)
    if made is None:
        return None
    job.predicted(made.predicted, made.estimate.to_json())
    log.info("estimated: %s", made.predicted)
    return made


@contextlib.contextmanager
def record_against(
    expected: RunEstimate | None, job: Job, gauge: MemoryTimeCallback
) -> Iterator[None]:
    """Put what the block took on record beside what was expected.

    Raises:
        JobFailed: the block ran out of GPU memory: what takes most, and what to change.
    """
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one; so is what cuBLAS lacks
        if expected is None or not is_gpu_out_of_memory(error):
            raise
        job.measured(gauge.measured())
        _remember(expected, job, gauge, ran_out=True)
        raise JobFailed(
            out_of_memory_failure(error, expected.estimate, expected.remedy())
        ) from error
    if expected is not None and gauge.steps:
        _remember(expected, job, gauge, ran_out=False)


@contextlib.contextmanager
def explain_out_of_memory(
    job: Job, config: TrainingConfig, dataset: RowStatistics
) -> Iterator[None]:
    """Explain a lack of GPU memory by an estimate that is made only then: for the processes of a
    run beside the first, which keeps the one estimate and the records.

    Raises:
        JobFailed: the block ran out of GPU memory: what takes most, and what to change.
    """
    try:
        yield
    except RuntimeError as error:
        made = _tried(job, config, dataset) if is_gpu_out_of_memory(error) else None
        if made is None:
            raise
        raise JobFailed(out_of_memory_failure(error, made.estimate, made.remedy())) from error


def history_record(
    expected: RunEstimate, hardware: Hardware, measured: Measured, *, driver: str, ran_out: bool
) -> measured_runs.MeasuredRun:
    """The line of the machine's history for a run that has just ended."""
    return measured_runs.MeasuredRun(
        when=time.time(),
        gpu=hardware.name,
        kind=hardware.known.name if hardware.known else "",
        driver=driver,
        torch=version("torch"),
        transformers=version("transformers"),
        model=expected.config.model.name_or_path,
        settings=measured_runs.memory_fingerprint(expected.config),
        longest=expected.estimate.tokens_per_sample,
        ran_out=ran_out,
        predicted=expected.predicted,
        measured=measured,
    )


def _tried(job: Job, config: TrainingConfig, dataset: RowStatistics) -> RunEstimate | None:
    try:
        return estimate_run(config, dataset)
    except Exception as error:  # noqa: BLE001 - models bring their own code; told, and the run goes on
        why = str(error).partition("\n")[0]
        job.warning(f"There is no estimate of this run: {type(error).__name__}: {why}")
        return None


def _remember(expected: RunEstimate, job: Job, gauge: MemoryTimeCallback, *, ran_out: bool) -> None:
    if expected.hardware is None:
        return
    driver = gauge.meter.driver
    line = history_record(
        expected, expected.hardware, gauge.measured(), driver=driver, ran_out=ran_out
    )
    try:
        measured_runs.append_run(line)
    except OSError as error:  # what was trained is worth more than the record of it
        job.warning(f"{measured_runs.history_path()} was not written: {error.strerror}")


def _profile(
    name: str, revision: str | None = None, role: Role = "model", *, trust_remote_code: bool = False
) -> ModelLayout:
    known = load_layout(name, revision, role)
    if known is None:
        known = profile_job.build_layout(name, revision, role, trust_remote_code=trust_remote_code)
        save_layout(known)
    return known


def _hardware(gpus: tuple[Gpu, ...]) -> Hardware | None:
    if not torch.cuda.is_available():
        return None
    figures = torch.cuda.get_device_properties(0)
    free, _ = torch.cuda.mem_get_info()
    return Hardware(
        name=figures.name,
        room=free + torch.cuda.memory_reserved(),
        known=match_gpu(figures.name, figures.total_memory, gpus),
    )
