"""The GPUs on which a run fits, by the names that SkyPilot gives them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from deepsynth_tui.config.precision import float16_changes
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.errors import UserError
from deepsynth_tui.estimate.resources import Estimate, GpuEstimate
from deepsynth_tui.machine.gpu_catalogue import Fit
from deepsynth_tui.units import format_bytes, format_dollars, format_seconds


@dataclass(frozen=True, slots=True)
class Candidate:
    """A GPU to ask for; `figures` are those of the estimate."""

    accelerator: str
    figures: str


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates, the cheapest first, and what was left out."""

    gpus: tuple[Candidate, ...]
    notes: tuple[str, ...]


def gpu_candidates(config: TrainingConfig, estimate: Estimate) -> Candidates:
    """Return the GPUs that the run fits; those with little memory to spare if it fits no other.

    Raises:
        UserError: it fits none.
    """
    fitting = [row for row in estimate.gpus if row.fit is not Fit.NO]
    without_bfloat16 = [row for row in fitting if not row.gpu.bfloat16 and float16_changes(config)]
    unnamed = [row for row in fitting if row.gpu.skypilot is None and row not in without_bfloat16]
    usable = [row for row in fitting if row not in without_bfloat16 and row not in unnamed]
    roomy = [row for row in usable if row.fit is Fit.FITS]
    if not usable:
        raise UserError(
            f"The run needs {format_bytes(estimate.needed)} on each GPU, which none of the "
            "catalogue has that SkyPilot knows",
            "`estimate CONFIG --gpu NAME` suggests what makes it fit.",
        )
    notes = [
        *_left_out(without_bfloat16, "no bfloat16, which the run computes in"),
        *_left_out(unnamed, "no name in SkyPilot"),
        *(
            _left_out([row for row in usable if row not in roomy], "little memory to spare")
            if roomy
            else ["every GPU that fits has little memory to spare"]
        ),
    ]
    chosen = sorted(roomy or usable, key=_price_of_a_step)
    count = config.training.num_processes
    return Candidates(
        tuple(Candidate(f"{row.gpu.skypilot}:{count}", _figures(row)) for row in chosen),
        tuple(notes),
    )


def _price_of_a_step(row: GpuEstimate) -> tuple[float, float]:
    price = row.gpu.price_per_hour
    return (math.inf if price is None else price * row.seconds_per_step, row.seconds_per_step)


def _figures(row: GpuEstimate) -> str:
    words = [f"{format_bytes(row.headroom)} left", f"{format_seconds(row.seconds_per_step)}/step"]
    if row.cost is not None:
        words.append(f"{format_dollars(row.cost)} for the run ({row.gpu.price_source})")
    return ", ".join(words)


def _left_out(rows: Sequence[GpuEstimate], why: str) -> list[str]:
    names = ", ".join(row.gpu.name for row in rows)
    return [f"left out: {names} ({why})"] if rows else []
