"""The lock of a device says which run holds it."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.runs import device_lock
from deepsynth_tui.runs.directory import RunDirectory


def test_one_run_holds_a_device_and_is_named(home: Path, run: RunDirectory) -> None:
    other = RunDirectory("b", home / "b")
    assert device_lock.holder(home, "GPU-1/2") is None
    held = device_lock.try_hold(home, "GPU-1/2", run, label="GPU 0: RTX 3090")
    assert held is not None
    assert device_lock.try_hold(home, "GPU-1/2", other) is None
    cpu = device_lock.try_hold(home, device_lock.CPU, other)
    assert cpu is not None
    assert device_lock.holder(home, "GPU-1/2") == run.id
    assert device_lock.held_devices(home) == [(run.id, "GPU 0: RTX 3090"), ("b", "cpu")]
    held.close()
    assert device_lock.holder(home, "GPU-1/2") is None
    again = device_lock.try_hold(home, "GPU-1/2", other)
    assert again is not None
    assert device_lock.held_devices(home) == [("b", "GPU-1/2"), ("b", "cpu")]
    again.close()
    cpu.close()


def test_a_lock_whose_holder_is_being_written(home: Path, run: RunDirectory) -> None:
    held = device_lock.try_hold(home, "cpu", run)
    assert held is not None
    for content in ("", "run", "run\nCPU\nmore\n"):
        (home / "queue" / "devices" / "cpu.lock").write_text(content)
        assert device_lock.held_devices(home) == [("a run", "cpu")]
    held.close()
