"""Measure the memory and the step times of training."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from deepsynth_tui.machine import nvml
from deepsynth_tui.runs.estimate_vs_measured import Measured, comparison_lines

if TYPE_CHECKING:
    from deepsynth_tui.runs.job import Job

log = logging.getLogger(__name__)

FIRST_STEPS = 3
"""Steps whose peaks are reported one by one; then they are compared with the estimate."""

SENSOR_SECONDS = 1.0
"""Least time between two readings of the GPU's sensors."""


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """Memory in bytes at one moment; the GPU fields are None without a GPU.

    `host` is resident main memory of this process, `host_peak` its peak. `allocated` and `reserved`
    are peaks of PyTorch's allocator since the last `MemoryMeter.reset`, `held` is allocated now.
    `device` is device memory used since the meter was created, with the CUDA context and
    libraries. PyTorch returns memory only when it runs short, so this is also its peak.
    """

    host: int
    host_peak: int
    allocated: int | None = None
    reserved: int | None = None
    held: int | None = None
    device: int | None = None

    def to_event(self) -> dict[str, int]:
        """Return the fields of a memory event: those that are known."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in values.items() if value is not None}


class MemoryMeter:
    """Reads memory. Create it before anything uses the GPU: it subtracts what is used by then."""

    def __init__(self) -> None:
        probe = nvml.probe()
        self.driver = probe.driver
        self._devices = {device.uuid: device for device in probe.devices}

    def read(self) -> MemoryReading:
        """Read all counters. Takes microseconds and does not synchronise with the GPU."""
        host, host_peak = resident_memory()
        if not torch.cuda.is_available():
            return MemoryReading(host, host_peak)
        return MemoryReading(
            host=host,
            host_peak=host_peak,
            allocated=torch.cuda.max_memory_allocated(),
            reserved=torch.cuda.max_memory_reserved(),
            held=torch.cuda.memory_allocated(),
            device=self._device_bytes(),
        )

    def reset(self) -> None:
        """Reset the peaks of PyTorch's allocator."""
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def _device_bytes(self) -> int | None:
        """Device memory used since the meter was created; None if the driver does not tell."""
        used = self._read_used() if self._read_used else None
        return None if used is None else max(0, used - self._devices[self._uuid].used)

    @cached_property
    def _uuid(self) -> str:
        """The driver's UUID of the device that PyTorch uses; "" if the driver has none."""
        if not self._devices:
            return ""
        torch_uuid = str(torch.cuda.get_device_properties(0).uuid)
        return next((uuid for uuid in self._devices if torch_uuid in uuid), "")

    @cached_property
    def _read_used(self) -> Callable[[], int | None] | None:
        return nvml.memory_reader(self._uuid) if self._uuid else None

    def read_gpu(self) -> dict[str, object] | None:
        """Return the fields `gpu` of a memory event: name, index and sensors of the device that
        PyTorch uses. None without a GPU, or if the driver does not know the device."""
        if not torch.cuda.is_available() or self._read_sensors is None:
            return None
        device = self._devices[self._uuid]
        return {"name": device.name, "index": device.index, **asdict(self._read_sensors())}

    @cached_property
    def _read_sensors(self) -> Callable[[], nvml.Sensors] | None:
        return nvml.sensor_reader(self._uuid) if self._uuid else None


class MemoryTimeCallback(TrainerCallback):
    """Measures peak memory and step times.

    Peaks are read after each of the first `FIRST_STEPS` steps, and reset in between because the
    optimizer creates its state in the first step; later they are read with every logged loss. A
    step lasts from the end of the previous one to its own end, without evaluation and saving.
    """

    def __init__(
        self, job: Job, meter: MemoryMeter, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.job = job
        self.meter = meter
        self._clock = clock
        self._step_start = clock()
        self._sensors_due = clock()
        self._step_seconds: list[float] = []
        self._peaks: dict[str, int] = {}
        self._first_step_peak: int | None = None
        self._steady: int | None = None

    @property
    def steps(self) -> int:
        """Number of steps measured so far."""
        return len(self._step_seconds)

    def measured(self) -> Measured:
        """Return the measurements up to now. Also usable after a step has failed."""
        self._update_peaks(self.meter.read())
        later = self._step_seconds[1:]
        return Measured(
            allocated=self._peaks.get("allocated"),
            reserved=self._peaks.get("reserved"),
            device=self._peaks.get("device"),
            host=self._peaks.get("host_peak"),
            first_step=self._first_step_peak,
            steady=self._steady,
            seconds_per_step=median(later) if later else None,
            steps=self.steps,
        )

    @contextlib.contextmanager
    def excluded(self) -> Iterator[None]:
        """Leave the time of the block out of the step times."""
        start = self._clock()
        try:
            yield
        finally:
            self._step_start += self._clock() - start

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Report the peak of loading as `loading`, and start to measure steps."""
        reading = self.meter.read()
        fields = reading.to_event()
        if reading.allocated is not None:
            fields["loading"] = reading.allocated
        for name in ("allocated", "reserved"):
            fields.pop(name, None)
        self.job.memory(step=state.global_step, **fields)
        self.meter.reset()
        self._step_start = self._clock()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Measure the step, and report the memory of the first ones."""
        self._step_seconds.append(self._clock() - self._step_start)
        if self.steps <= FIRST_STEPS:
            reading = self.meter.read()
            self._update_peaks(reading)
            self._steady = reading.held
            if self.steps == 1:
                self._first_step_peak = reading.allocated
            self._report(state.global_step, reading)
            self.meter.reset()
            if self.steps == FIRST_STEPS:
                self.job.measured(self.measured())
        self._step_start = self._clock()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Report memory together with each loss."""
        if "loss" in (logs or {}) and self.steps > FIRST_STEPS:
            reading = self.meter.read()
            self._update_peaks(reading)
            self._report(state.global_step, reading)

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Start the next step now; the peak of an evaluation before the first step is reset."""
        if not self.steps:
            self.meter.reset()
        self._step_start = self._clock()

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Start the next step after the checkpoint."""
        self._step_start = self._clock()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Report the measurements of the whole training."""
        if self.steps:
            measured = self.measured()
            self.job.measured(measured)
            log.info("measured: %s", "; ".join(comparison_lines(self.job.prediction, measured)))

    def _report(self, step: int, reading: MemoryReading) -> None:
        """Report memory, and what the GPU reports, at most every `SENSOR_SECONDS`."""
        gpu = None
        if (now := self._clock()) >= self._sensors_due:
            self._sensors_due = now + SENSOR_SECONDS
            gpu = self.meter.read_gpu()
        self.job.memory(step=step, **reading.to_event(), **({"gpu": gpu} if gpu else {}))

    def _update_peaks(self, reading: MemoryReading) -> None:
        for name, value in reading.to_event().items():
            self._peaks[name] = max(value, self._peaks.get(name, 0))


def resident_memory() -> tuple[int, int]:
    """Return the resident memory of this process and its peak, in bytes.

    Read from /proc; without it, both are the peak.
    """
    status = Path("/proc/self/status")
    if status.exists():
        sizes = dict(line.split(":", 1) for line in status.read_text().splitlines())
        resident, peak = (int(sizes[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
        return resident, peak
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
    return peak, peak
