"""Memory peaks of the first steps, then of all, and step times without evaluation and saving."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import TrainerControl, TrainerState, TrainingArguments

from deepsynth_tui.machine import nvml
from deepsynth_tui.machine.nvml import Device, Probe
from deepsynth_tui.runs.directory import create_run
from deepsynth_tui.runs.estimate_vs_measured import read_comparison
from deepsynth_tui.runs.job import Failure, Job, run_job
from deepsynth_tui.training.callbacks.memory_time import (
    MemoryMeter,
    MemoryReading,
    MemoryTimeCallback,
    resident_memory,
)
from tests.training.conftest import Ran

GIB = 2**30


class ScriptedMeter(MemoryMeter):
    """A GPU with given peaks: one per step, until the next reset."""

    def __init__(self, peaks: Sequence[int]) -> None:
        super().__init__()
        self._peaks: Iterator[int] = iter(peaks)
        self._peak = 80  # of loading

    def step(self) -> None:
        self._peak = max(self._peak, next(self._peaks))

    def read(self) -> MemoryReading:
        host = MemoryReading(host=1, host_peak=2)
        return replace(
            host, allocated=self._peak, reserved=self._peak + 1, held=5, device=self._peak + 9
        )

    def reset(self) -> None:
        self._peak = 0

    def read_gpu(self) -> dict[str, object] | None:
        return {"name": "scripted", "utilisation": 50}


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Loop:
    """The calls of a training loop, in the Trainer's order."""

    def __init__(
        self, memory_time: MemoryTimeCallback, meter: ScriptedMeter, clock: Clock, folder: Path
    ) -> None:
        self.memory_time, self.meter, self.clock = memory_time, meter, clock
        self.state = TrainerState()
        self._arguments = (TrainingArguments(str(folder)), self.state, TrainerControl())

    def begin(self) -> None:
        self.memory_time.on_train_begin(*self._arguments)

    def step(self, seconds: float) -> None:
        self.clock.now += seconds
        self.meter.step()
        self.state.global_step += 1
        self.memory_time.on_step_end(*self._arguments)
        self.memory_time.on_log(*self._arguments, logs={"loss": 1.0})

    def pause(self, seconds: float, *, saving: bool) -> None:
        self.clock.now += seconds
        (self.memory_time.on_save if saving else self.memory_time.on_evaluate)(*self._arguments)

    def end(self) -> None:
        self.memory_time.on_train_end(*self._arguments)


@pytest.fixture
def looped(home: Path, tmp_path: Path) -> Callable[..., Ran]:
    """Run a job that drives a loop with these peaks, one per step."""

    def start(peaks: Sequence[int], drive: Callable[[Loop], None]) -> Ran:
        def body(job: Job) -> str:
            meter, clock = ScriptedMeter(peaks), Clock()
            drive(Loop(MemoryTimeCallback(job, meter, clock=clock), meter, clock, tmp_path))
            return "completed"

        run = create_run(home, kind="training", name="loop", config_text="")
        code = run_job(run.path, body, explain=lambda error: Failure("", str(error), ""))
        assert code == 0
        return Ran(run, code)

    return start


def test_the_first_steps_are_reported_one_by_one_and_the_rest_together(looped: Callable[..., Ran]):
    def drive(loop: Loop) -> None:
        loop.begin()
        for _ in range(5):
            loop.step(1.0)
        loop.end()

    ran = looped([50, 40, 30, 20, 45], drive)
    loaded, *steps = (event.data for event in ran.of("memory"))
    assert (loaded["step"], loaded["loading"], "allocated" in loaded) == (0, 80, False)
    allocated = [(event["step"], event["allocated"]) for event in steps]
    assert allocated == [(1, 50), (2, 40), (3, 30), (4, 20), (5, 45)]
    early, last = (event.data for event in ran.of("measured"))
    assert (early["steps"], last["steps"]) == (3, 5)
    assert (last["allocated"], last["first_step"], last["steady"]) == (50, 50, 5)
    assert (last["reserved"], last["device"], last["host"]) == (51, 59, 2)
    assert read_comparison(ran.run)["measured"] == last


def test_sensors_are_read_at_most_once_a_second(looped: Callable[..., Ran]):
    def drive(loop: Loop) -> None:
        loop.begin()
        for _ in range(8):
            loop.step(0.25)

    events = [event.data for event in looped([50] * 8, drive).of("memory")]
    assert [event["step"] for event in events if "gpu" in event] == [1, 5]


def test_a_later_peak_raises_the_peak_of_the_run(looped: Callable[..., Ran]):
    def drive(loop: Loop) -> None:
        loop.begin()
        for _ in range(5):
            loop.step(1.0)
        loop.end()

    measured = looped([50, 40, 30, 20, 70], drive).of("measured")
    assert [event.data["allocated"] for event in measured] == [50, 70]
    assert measured[-1].data["first_step"] == 50


def test_step_times_leave_out_the_first_evaluation_and_saving(looped: Callable[..., Ran]):
    def drive(loop: Loop) -> None:
        loop.clock.now = 1000.0
        loop.begin()
        loop.step(60.0)
        loop.step(2.0)
        loop.pause(500.0, saving=False)
        loop.pause(300.0, saving=True)
        loop.step(3.0)
        loop.step(4.0)
        loop.end()

    early, last = looped([1] * 4, drive).of("measured")
    assert early.data["seconds_per_step"] == 2.5
    assert last.data["seconds_per_step"] == 3.0


def test_a_single_step_has_no_step_time(looped: Callable[..., Ran]):
    def drive(loop: Loop) -> None:
        loop.begin()
        loop.step(60.0)
        loop.end()

    (only,) = looped([7], drive).of("measured")
    assert (only.data["seconds_per_step"], only.data["allocated"]) == (None, 7)


def test_training_without_a_step_measures_nothing(looped: Callable[..., Ran]):
    def drive(loop: Loop) -> None:
        loop.begin()
        loop.end()

    assert not looped([], drive).of("measured")


def test_resident_memory():
    before, peak = resident_memory()
    assert 50 << 20 < before <= peak * 1.05
    held = mmap.mmap(-1, 64 << 20)  # new pages; a bytearray may get freed ones
    for page in range(0, len(held), 4096):
        held[page] = 1
    after, _ = resident_memory()
    assert after - before > 48 << 20
    held.close()


def test_memory_that_was_used_before_is_not_counted(monkeypatch: pytest.MonkeyPatch):
    """A fake of CUDA and its driver: two devices in use; this process uses the second."""
    idle = Device(0, "A", "GPU-aa", 100, 70, 30, None, None)
    ours = Device(1, "B", "GPU-bb", 100, 60, 40, None, None)
    monkeypatch.setattr(nvml, "probe", lambda: Probe((idle, ours), driver="580.1"))
    monkeypatch.setattr(nvml, "memory_reader", {"GPU-bb": lambda: 95}.__getitem__)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="bb"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 20)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: 25)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 15)

    meter = MemoryMeter()
    reading = meter.read()
    assert (meter.driver, reading.device) == ("580.1", 55)
    assert (reading.allocated, reading.reserved, reading.held) == (20, 25, 15)

    sensors = nvml.Sensors(total=100, utilisation=97, temperature=55)
    monkeypatch.setattr(nvml, "sensor_reader", {"GPU-bb": lambda: sensors}.__getitem__)
    assert meter.read_gpu() == {
        "name": "B",
        "index": 1,
        "total": 100,
        "utilisation": 97,
        "power": None,
        "power_limit": None,
        "temperature": 55,
    }

    monkeypatch.setattr(nvml, "probe", lambda: Probe((), "No driver."))
    assert MemoryMeter().read().device is None
    assert MemoryMeter().read_gpu() is None


@pytest.mark.skipif(sys.platform != "linux", reason="the figures of /proc")
def test_without_a_gpu_only_main_memory_is_read():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert set(MemoryMeter().read().to_event()) == {"host", "host_peak"}


def test_excluded_time_is_not_part_of_a_step(looped: Callable[..., Ran]):
    def drive(loop: Loop) -> None:
        loop.begin()
        loop.step(9.0)
        with loop.memory_time.excluded():
            loop.clock.now += 100.0
        loop.step(2.0)
        loop.step(2.0)
        loop.end()

    measured = looped([50, 40, 30], drive).of("measured")
    assert measured[-1].data["seconds_per_step"] == 2.0
