"""What training really takes: memory and step times, measured while it runs."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
"""Steps whose peaks are told one by one; after them the figures are compared with the estimate."""


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """Bytes at one moment; those of the GPU are None where there is none.

    `host` is what this process keeps resident, `host_peak` the most it ever did. `allocated` and
    `reserved` are the peaks of PyTorch's allocator since the last `Meter.reset`, `held` is
    allocated at this moment. `device` is what this process takes of the device: its context and
    libraries too, what others took before it began not. PyTorch gives memory back only when it
    runs short, so this is also the most it took.
    """

    host: int
    host_peak: int
    allocated: int | None = None
    reserved: int | None = None
    held: int | None = None
    device: int | None = None

    def to_event(self) -> dict[str, int]:
        """The figures there are, by name."""
        named = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in named.items() if value is not None}


class MemoryMeter:
    """Reads memory. Make it before anything touches the GPU: what is taken then is not ours."""

    def __init__(self) -> None:
        found = nvml.probe()
        self.driver = found.driver
        self._before = {device.uuid: device.used for device in found.devices}

    def read(self) -> MemoryReading:
        """Read everything: microseconds, and no wait for the GPU."""
        host, peak = resident_memory()
        if not torch.cuda.is_available():
            return MemoryReading(host, peak)
        return MemoryReading(
            host=host,
            host_peak=peak,
            allocated=torch.cuda.max_memory_allocated(),
            reserved=torch.cuda.max_memory_reserved(),
            held=torch.cuda.memory_allocated(),
            device=self._taken(),
        )

    def reset(self) -> None:
        """Begin anew with the peaks of PyTorch's allocator."""
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def _taken(self) -> int | None:
        """Bytes taken of our device since the meter was made; None where no driver tells."""
        now = self._used() if self._used else None
        return None if now is None else max(0, now - self._before[self._ours])

    @cached_property
    def _ours(self) -> str:
        """The driver's id of the device that PyTorch uses; "" where it knows none."""
        if not self._before:
            return ""
        uuid = str(torch.cuda.get_device_properties(0).uuid)
        return next((known for known in self._before if uuid in known), "")

    @cached_property
    def _used(self) -> Callable[[], int | None] | None:
        return nvml.memory_reader(self._ours) if self._ours else None


class MemoryTimeCallback(TrainerCallback):
    """Measures a training loop.

    Peaks are read after each of the first `FIRST_STEPS` steps, and reset in between so that the
    first, in which the optimizer makes its states, is known apart; then with every loss that is
    logged. A step lasts from the end of the one before to its own end.
    """

    def __init__(
        self, job: Job, meter: MemoryMeter, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.job = job
        self.meter = meter
        self._clock = clock
        self._since = clock()
        self._seconds: list[float] = []
        self._most: dict[str, int] = {}
        self._first: int | None = None
        self._steady: int | None = None

    @property
    def steps(self) -> int:
        """Steps measured so far."""
        return len(self._seconds)

    def measured(self) -> Measured:
        """What was measured up to now. After the loop, or inside it when a step has failed."""
        self._keep(self.meter.read())
        later = self._seconds[1:]
        return Measured(
            allocated=self._most.get("allocated"),
            reserved=self._most.get("reserved"),
            device=self._most.get("device"),
            host=self._most.get("host_peak"),
            first_step=self._first,
            steady=self._steady,
            seconds_per_step=median(later) if later else None,
            steps=self.steps,
        )

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """The time of the block belongs to no step."""
        begun = self._clock()
        try:
            yield
        finally:
            self._since += self._clock() - begun

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """The peak of loading is told under a name of its own; from here on steps are measured."""
        loaded = self.meter.read()
        figures = loaded.to_event()
        if loaded.allocated is not None:
            figures["loading"] = loaded.allocated
        for name in ("allocated", "reserved"):
            figures.pop(name, None)
        self.job.memory(step=state.global_step, **figures)
        self.meter.reset()
        self._since = self._clock()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """A step is over."""
        self._seconds.append(self._clock() - self._since)
        if self.steps <= FIRST_STEPS:
            reading = self.meter.read()
            self._keep(reading)
            self._steady = reading.held
            if self.steps == 1:
                self._first = reading.allocated
            self.job.memory(step=state.global_step, **reading.to_event())
            self.meter.reset()
            if self.steps == FIRST_STEPS:
                self.job.measured(self.measured())
        self._since = self._clock()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """A loss is told: tell the memory beside it."""
        if "loss" in (logs or {}) and self.steps > FIRST_STEPS:
            reading = self.meter.read()
            self._keep(reading)
            self.job.memory(step=state.global_step, **reading.to_event())

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """The next step begins after the evaluation, the first with no peak of it."""
        if not self.steps:
            self.meter.reset()
        self._since = self._clock()

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """The next step begins after the checkpoint."""
        self._since = self._clock()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Tell what the whole loop took."""
        if self.steps:
            took = self.measured()
            self.job.measured(took)
            log.info("measured: %s", "; ".join(comparison_lines(self.job.prediction, took)))

    def _keep(self, reading: MemoryReading) -> None:
        for name, value in reading.to_event().items():
            self._most[name] = max(value, self._most.get(name, 0))


def resident_memory() -> tuple[int, int]:
    """Bytes of memory that this process holds, and the most it ever held.

    From /proc; where there is none, both are the most.
    """
    status = Path("/proc/self/status")
    if status.exists():
        sizes = dict(line.split(":", 1) for line in status.read_text().splitlines())
        now, most = (int(sizes[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
        return now, most
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
    return most, most
