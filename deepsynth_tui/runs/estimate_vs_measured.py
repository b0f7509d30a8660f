"""What a run was predicted to take, what it took, and how far the two lie apart."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self, TypeVar

from deepsynth_tui.runs.directory import RunDirectory

_LARGEST = 1e300
COMPARED = ("allocated", "device", "seconds_per_step")
"""FigureList that are both predicted and measured."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """The estimate that the run was started with, for one GPU.

    `allocated` and `device` in bytes: the peak of the framework's own count, and what the process
    takes of the device in all. `seconds_per_step` is None where the speed of the device is not
    known. `source` says how it was made: "closed_form", "simulated" or "measured". `gpu` is the
    device that the run is on, empty on a CPU, where the bytes can be compared with nothing.
    `held_back` bytes are what the framework's allocator was computed to keep for itself, before
    any correction by earlier runs.
    """

    allocated: int
    device: int
    seconds_per_step: float | None = None
    source: str = "closed_form"
    gpu: str = ""
    held_back: int | None = None

    def __str__(self) -> str:
        where = self.gpu or "a GPU (this run is on the CPU)"
        return f"{_gb(self.allocated)} allocated, {_gb(self.device)} in all, on {where}"

    @classmethod
    def from_json(cls, said: object) -> Self | None:
        """Read what `asdict` gave; None when it is nothing of the kind. Never raises."""
        found = _known_fields(cls, said)
        return cls(**found) if {"allocated", "device"} <= found.keys() else None


@dataclass(frozen=True, slots=True)
class Measured:
    """What a process of the run took, None where it could not be measured.

    Bytes: `allocated` and `reserved` are the peaks of the framework's allocator from the first
    step on, `first_step` the peak of the first step alone, `steady` what is allocated between two
    steps, `device` the most that the process took of the device, `host` the most it had resident.
    `seconds_per_step` is the median over the steps after the first, waiting for data included,
    evaluation and saving left out. `steps` is how many steps were measured.
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
    def from_json(cls, said: object) -> Self | None:
        """Read what `asdict` gave; None when it is nothing of the kind. Never raises."""
        found = _known_fields(cls, said)
        return cls(**found) if "steps" in found else None


def prediction_errors(predicted: Predicted | None, measured: Measured | None) -> dict[str, float]:
    """The error of each figure known on both sides: predicted / measured - 1.

    0.1 is a prediction 10 % too high, -0.1 one too low.
    """
    if predicted is None or measured is None:
        return {}
    pairs = ((name, getattr(predicted, name), getattr(measured, name)) for name in COMPARED)
    return {name: guess / fact - 1 for name, guess, fact in pairs if guess is not None and fact}


def comparison_lines(predicted: Predicted | None, measured: Measured) -> Iterator[str]:
    """Each measured figure in words, beside the one that was predicted: "31.20 GB allocated,
    predicted 30.80 GB (1 % too low)"."""
    wrong = prediction_errors(predicted, measured)
    for name, what in (("allocated", "allocated"), ("device", "of the device")):
        if (size := getattr(measured, name)) is not None:
            yield f"{_gb(size)} {what}{_beside(predicted, wrong, name, _gb)}"
    if measured.allocated is None and measured.host is not None:
        yield f"{_gb(measured.host)} of main memory"
    if measured.seconds_per_step is not None:
        step = f"{_seconds(measured.seconds_per_step)} per step"
        yield step + _beside(predicted, wrong, "seconds_per_step", _seconds)


def off_by(error: float) -> str:
    """An error in words: "4 % too low"."""
    percent = round(100 * abs(error))
    if percent == 0:
        return "right within 1 %"
    return f"{percent} % too {'high' if error > 0 else 'low'}"


def comparison_to_json(predicted: Predicted | None, measured: Measured | None) -> dict[str, Any]:
    """Both and the errors, in JSON's types: the content of a run's `measured.json`."""
    return {
        "predicted": asdict(predicted) if predicted else None,
        "measured": asdict(measured) if measured else None,
        "prediction_error": prediction_errors(predicted, measured),
    }


def read_comparison(run: RunDirectory) -> dict[str, Any]:
    """The comparison that the job of `run` wrote last; all empty before its third step.

    Raises OSError when the file is there and cannot be read.
    """
    try:
        said = json.loads(run.measured.read_bytes())
    except FileNotFoundError:
        return comparison_to_json(None, None)
    return comparison_to_json(
        Predicted.from_json(said.get("predicted")), Measured.from_json(said.get("measured"))
    )


def _beside(
    predicted: Predicted | None, wrong: Mapping[str, float], name: str, word: Callable[[Any], str]
) -> str:
    if name not in wrong:
        return ""
    return f", predicted {word(getattr(predicted, name))} ({off_by(wrong[name])})"


def _gb(size: int) -> str:
    return f"{size / 2**30:.2f} GB"


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g} s"


_Read = TypeVar("_Read", Predicted, Measured)


def _known_fields(kind: type[_Read], said: object) -> dict[str, Any]:
    """The fields of `kind` that `said` holds in their own type; those that it does not know, and
    those that later versions add, are left out."""
    if not isinstance(said, Mapping):
        return {}
    found = {field.name: said.get(field.name) for field in fields(kind)}
    return {name: value for name, value in found.items() if _fits(name, value)}


def _fits(name: str, value: object) -> bool:
    if name in ("source", "gpu"):
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return False
    return value < _LARGEST if name == "seconds_per_step" else isinstance(value, int)
