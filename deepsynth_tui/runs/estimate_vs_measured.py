"""The predicted and the measured memory and step time of a run, and the prediction error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self, TypeVar

from deepsynth_tui.runs.directory import RunDirectory, RunUnreadable
from deepsynth_tui.runs.json_file import BadContent, finite_integer, finite_number, read_object
from deepsynth_tui.units import format_bytes, format_seconds

COMPARED = ("allocated", "device", "seconds_per_step")
"""Figures that are predicted as well as measured."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """The estimate that the run was started with, for one GPU.

    Attributes:
        allocated: Peak bytes of PyTorch's allocator.
        device: Bytes that the process takes of the device in total.
        seconds_per_step: None if the speed of the device is unknown.
        source: How it was made: "closed_form", "simulated" or "measured".
        gpu: The device of the run; empty on a CPU, where there is nothing to compare bytes with.
        held_back: Bytes that the allocator was computed to cache, before any correction by
            earlier runs.
    """

    allocated: int
    device: int
    seconds_per_step: float | None = None
    source: str = "closed_form"
    gpu: str = ""
    held_back: int | None = None

    def __str__(self) -> str:
        gpu = self.gpu or "a GPU (this run is on the CPU)"
        return f"{_bytes(self.allocated)} allocated, {_bytes(self.device)} in total, on {gpu}"

    @classmethod
    def from_json(cls, content: object) -> Self | None:
        """Read the result of `asdict`; None if it is anything else. Never raises."""
        values = _valid_fields(cls, content)
        return cls(**values) if {"allocated", "device"} <= values.keys() else None


@dataclass(frozen=True, slots=True)
class Measured:
    """What a process of the run took; None if it could not be measured. Sizes are in bytes.

    Attributes:
        allocated, reserved: Peaks of PyTorch's allocator from the first step on.
        device: Peak of what the process took of the device.
        host: Peak resident memory.
        first_step: Peak allocation in the first step.
        steady: Allocation between two steps.
        seconds_per_step: Median over the steps after the first, including the wait for data,
            without evaluation and saving.
        steps: Number of measured steps.
    """

    allocated: int | None = None
    reserved: int | None = None
    device: int | None = None
    host: int | None = None
    first_step: int | None = None
    steady: int | None = None
    seconds_per_step: float | None = None
    steps: int = 0

    @classmethod
    def from_json(cls, content: object) -> Self | None:
        """Read the result of `asdict`; None if it is anything else. Never raises."""
        values = _valid_fields(cls, content)
        return cls(**values) if "steps" in values else None


def prediction_errors(predicted: Predicted | None, measured: Measured | None) -> dict[str, float]:
    """Return predicted / measured - 1 for each figure that both have.

    0.1 is a prediction 10 % too high, -0.1 one 10 % too low.
    """
    if predicted is None or measured is None:
        return {}
    pairs = ((name, getattr(predicted, name), getattr(measured, name)) for name in COMPARED)
    return {
        name: guess / actual - 1 for name, guess, actual in pairs if guess is not None and actual
    }


def comparison_lines(predicted: Predicted | None, measured: Measured) -> Iterator[str]:
    """Yield each measured figure beside the predicted one: "31.20 GiB allocated, predicted
    30.80 GiB (1 % too low)"."""
    errors = prediction_errors(predicted, measured)
    for name, what in (("allocated", "allocated"), ("device", "of the device")):
        if (size := getattr(measured, name)) is not None:
            yield f"{_bytes(size)} {what}{_prediction_text(predicted, errors, name, _bytes)}"
    if measured.allocated is None and measured.host is not None:
        yield f"{_bytes(measured.host)} of main memory"
    if measured.seconds_per_step is not None:
        step = f"{format_seconds(measured.seconds_per_step)} per step"
        yield step + _prediction_text(predicted, errors, "seconds_per_step", format_seconds)


def off_by(error: float) -> str:
    """Return an error as text: "4 % too low"."""
    percent = round(100 * abs(error))
    if percent == 0:
        return "right within 1 %"
    return f"{percent} % too {'high' if error > 0 else 'low'}"


def comparison_to_json(predicted: Predicted | None, measured: Measured | None) -> dict[str, Any]:
    """Return both and the errors as JSON types: the content of a run's `measured.json`."""
    return {
        "predicted": asdict(predicted) if predicted else None,
        "measured": asdict(measured) if measured else None,
        "prediction_error": prediction_errors(predicted, measured),
    }


def read_comparison(run: RunDirectory) -> dict[str, Any]:
    """Return the comparison that the job of `run` wrote last; empty before its third step.

    Raises RunUnreadable if the file exists but cannot be read.
    """
    try:
        content = read_object(run.measured)
    except (FileNotFoundError, NotADirectoryError):
        return comparison_to_json(None, None)
    except BadContent as error:
        raise RunUnreadable(run.id, str(error), run.path) from error
    except OSError as error:
        reason = f"{run.measured.name}: {error.strerror or error}"
        raise RunUnreadable(run.id, reason, run.path) from error
    return comparison_to_json(
        Predicted.from_json(content.get("predicted")), Measured.from_json(content.get("measured"))
    )


def _prediction_text(
    predicted: Predicted | None,
    errors: Mapping[str, float],
    name: str,
    format_value: Callable[[Any], str],
) -> str:
    if name not in errors:
        return ""
    return f", predicted {format_value(getattr(predicted, name))} ({off_by(errors[name])})"


def _bytes(count: int) -> str:
    return format_bytes(count, digits=2)


_Read = TypeVar("_Read", Predicted, Measured)


def _valid_fields(kind: type[_Read], content: object) -> dict[str, Any]:
    """Return the fields of `kind` that `content` has with the right type; missing ones, and those
    of later versions, are left out."""
    if not isinstance(content, Mapping):
        return {}
    values = {field.name: content.get(field.name) for field in fields(kind)}
    return {name: value for name, value in values.items() if _is_valid(name, value)}


def _is_valid(name: str, value: object) -> bool:
    if name in ("source", "gpu"):
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return False
    number = finite_number if name == "seconds_per_step" else finite_integer
    return number(value) is not None
