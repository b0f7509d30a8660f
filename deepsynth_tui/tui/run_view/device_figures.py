"""What the GPU of a run does: utilisation, memory beside its prediction, power, waiting. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.state import Memory, RunState
from deepsynth_tui.units import GIB, format_bytes, format_seconds

NOT_AVAILABLE = "n/a"


@dataclass(frozen=True, slots=True)
class DeviceFigure:
    """A figure with its label; `fraction`, from 0 to 1, is drawn as a bar, `history` as a curve."""

    label: str
    value: str
    fraction: float | None = None
    history: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class DeviceFigures:
    """The figures of a device, the most important first."""

    title: str
    figures: tuple[DeviceFigure, ...]


def device_figures(state: RunState) -> DeviceFigures:
    """Return the figures of the device that a training run uses, those of a CPU without a GPU.

    What is unknown is "n/a".
    """
    on_gpu = (
        state.gpu is not None
        or state.memory.device is not None
        or bool(state.predicted is not None and state.predicted.gpu)
    )
    return _of_gpu(state) if on_gpu else _of_cpu(state)


def _of_gpu(state: RunState) -> DeviceFigures:
    gpu = state.gpu
    name = (gpu.name if gpu else "") or (state.predicted.gpu if state.predicted else "")
    index = "" if gpu is None or gpu.index is None else f" {gpu.index}"
    utilisation = None if gpu is None else gpu.utilisation
    return DeviceFigures(
        title=sanitize(f"GPU{index} {name}".strip()),
        figures=(
            DeviceFigure(
                "util",
                NOT_AVAILABLE if utilisation is None else f"{utilisation} %",
                None if utilisation is None else utilisation / 100,
                [value for _, value in state.series.get("gpu_utilisation", ())],
            ),
            _memory(state),
            DeviceFigure("power", _power_and_temperature(state)),
            *_data_wait_and_speed(state),
        ),
    )


def _memory(state: RunState) -> DeviceFigure:
    """Return the memory taken of the device, else that of PyTorch's allocator, at its peak."""
    peak, predicted = state.peak_memory, state.predicted
    if peak.device is not None:
        used, expected, what = peak.device, predicted and predicted.device, ""
    elif peak.allocated is not None:
        used, expected, what = peak.allocated, predicted and predicted.allocated, " allocated"
    else:
        used, expected, what = None, predicted and predicted.device, ""
    total = state.gpu.total if state.gpu else None
    beside = "no prediction" if expected is None else f"predicted {format_bytes(expected)}"
    if used is None:
        return DeviceFigure("mem", f"{NOT_AVAILABLE} ({beside})")
    fraction = min(1.0, used / total) if total else None
    return DeviceFigure("mem", f"{_of_total(used, total)}{what} ({beside})", fraction)


def _of_total(used: int, total: int | None) -> str:
    if total is None:
        return format_bytes(used)
    return f"{used / GIB:.1f}/{total / GIB:.0f} GiB"


def _power_and_temperature(state: RunState) -> str:
    gpu = state.gpu
    power = NOT_AVAILABLE
    if gpu is not None and gpu.power is not None:
        limit = "" if gpu.power_limit is None else f" of {gpu.power_limit:.0f}"
        power = f"{gpu.power:.0f}{limit} W"
    temperature = NOT_AVAILABLE
    if gpu is not None and gpu.temperature is not None:
        temperature = f"{gpu.temperature} °C"
    return f"{power}   temperature {temperature}"


def _of_cpu(state: RunState) -> DeviceFigures:
    return DeviceFigures(
        title="CPU (no GPU)",
        figures=(
            DeviceFigure("util", NOT_AVAILABLE),
            DeviceFigure(
                "mem", f"{_main_memory(state.memory, state.peak_memory)} (no prediction for a CPU)"
            ),
            DeviceFigure("power", _power_and_temperature(state)),
            *_data_wait_and_speed(state),
        ),
    )


def _main_memory(now: Memory, peak: Memory) -> str:
    if now.host is None or peak.host is None:
        return NOT_AVAILABLE
    current, highest = format_bytes(now.host), format_bytes(peak.host)
    return current if current == highest else f"{current}, peak {highest}"


def _data_wait_and_speed(state: RunState) -> tuple[DeviceFigure, ...]:
    wait, tokens = state.series.get("data_wait"), state.series.get("tokens_per_second")
    speed = NOT_AVAILABLE if not tokens else f"{tokens[-1][1]:,.0f} tokens/s"
    return (
        DeviceFigure("data wait", NOT_AVAILABLE if not wait else f"{wait[-1][1]:.0%}"),
        DeviceFigure("speed", f"{speed}{_step_time(state)}"),
    )


def _step_time(state: RunState) -> str:
    measured, predicted = state.measured, state.predicted
    if measured is None or measured.seconds_per_step is None:
        return ""
    text = f"   {format_seconds(measured.seconds_per_step)}/step"
    if predicted is not None and predicted.seconds_per_step is not None:
        text += f" (predicted {format_seconds(predicted.seconds_per_step)})"
    return text
