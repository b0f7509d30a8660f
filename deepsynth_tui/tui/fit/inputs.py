"""What the estimates of the Training screen are made from: known at once, or found in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deepsynth_tui.config.training import ModelSettings, TrainingConfig
from deepsynth_tui.estimate import measured_runs
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.process_overhead import ProcessOverhead
from deepsynth_tui.estimate.row_statistics import UNKNOWN_ROWS, RowStatistics
from deepsynth_tui.machine.gpu_catalogue import Gpu, load_catalogue
from deepsynth_tui.models import layout as profiles
from deepsynth_tui.models.layout import ModelLayout, Role
from deepsynth_tui.models.layout_client import request_layout
from deepsynth_tui.workflows.estimate import row_statistics

PROFILE_DELAY = 0.5
"""Seconds without a change before a child process looks at a model that has no profile yet."""


@dataclass(frozen=True, slots=True)
class ModelKey:
    """What a profile depends on."""

    name: str
    revision: str | None = None
    role: Role = "model"
    trust_remote_code: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """The GPUs that estimates are made for, and what earlier runs on this machine taught."""

    gpus: Sequence[Gpu]
    overhead: ProcessOverhead
    paces: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted of a dataset, and the bounds on pixels with which it was."""

    facts: RowStatistics
    seen_by: ModelSettings


class Known:
    """Everything found so far that estimates are made from. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._profiles: dict[ModelKey, asyncio.Future[ModelLayout]] = {}
        self._datasets: dict[str, Counted] = {}
        self._machine: Machine | None = None
        self._counting = asyncio.Lock()

    def grounds(self, config: TrainingConfig, rows: int | None) -> EstimateInputs | None:
        """What an estimate of `config` is made from, None while a model or the GPUs are not known.

        `rows` are taken where the dataset was not counted.
        """
        found = [self._profiles.get(key) for key in models_of(config)]
        made = [one.result() for one in found if one and one.done() and not _failed(one)]
        if self._machine is None or len(made) < len(found):
            return None
        counted = self._datasets.get(_dataset_key(config))
        facts = counted.facts if counted else UNKNOWN_ROWS
        return EstimateInputs(
            made[0],
            encoder=made[1] if len(made) > 1 else None,
            dataset=facts if facts.rows is not None else replace(facts, rows=rows),
            gpus=self._machine.gpus,
            overhead=self._machine.overhead,
            step_time_ratios=self._machine.paces,
            counted_for=counted.seen_by if counted else None,
        )

    async def find(self, config: TrainingConfig, say: Callable[[str], object]) -> None:
        """Find what `grounds` needs; `say` is told what that waits for.

        Raises LayoutError, CatalogueError.
        """
        if self._machine is None:
            self._machine = await asyncio.to_thread(look_at_machine)
        for key in models_of(config):
            await self._find_profile(key, say)

    async def count(self, config: TrainingConfig) -> None:
        """Count the rows of the dataset of `config`: seconds; note why where it cannot be done."""
        key = _dataset_key(config)
        async with self._counting:
            if key not in self._datasets:
                facts = await asyncio.to_thread(row_statistics, config)
                self._datasets[key] = Counted(facts, config.model)

    async def _find_profile(self, key: ModelKey, say: Callable[[str], object]) -> None:
        reading = f"MemoryReading the layout of {key.name} …"
        if key not in self._profiles:
            found = await asyncio.to_thread(profiles.load_layout, key.name, key.revision, key.role)
            if found is None:
                say(reading)
                await asyncio.sleep(PROFILE_DELAY)
            self._profiles[key] = asyncio.ensure_future(asyncio.to_thread(made_profile, key))
        made = self._profiles[key]
        if not made.done():
            say(reading)
        try:
            # Shielded: a further change of the form cancels this estimate, not the profile.
            await asyncio.shield(made)
        finally:
            if made.done() and _failed(made):
                del self._profiles[key]


def models_of(config: TrainingConfig) -> tuple[ModelKey, ...]:
    """Return the models that an estimate of `config` needs profiles of; the encoder comes last."""
    model = config.model
    main = ModelKey(model.name_or_path, model.revision, trust_remote_code=model.trust_remote_code)
    encoder = config.text_encoder
    if not encoder.enabled:
        return (main,)
    return (main, ModelKey(encoder.name_or_path, encoder.revision, role="encoder"))


def made_profile(key: ModelKey) -> ModelLayout:
    """Return a profile, made by a child process if need be: seconds. Raises LayoutError."""
    return request_layout(
        key.name, key.revision, role=key.role, trust_remote_code=key.trust_remote_code
    )


def look_at_machine() -> Machine:
    """Read the catalogue and the history of this machine. Raises CatalogueError."""
    return Machine(
        load_catalogue(), measured_runs.measured_overhead(), measured_runs.step_time_ratios()
    )


def _failed(made: asyncio.Future[Any]) -> bool:
    return made.cancelled() or made.exception() is not None


def _dataset_key(config: TrainingConfig) -> str:
    """Return what the lengths of rows depend on, bounds on pixels left aside."""
    model, encoder = config.model, config.text_encoder
    data = config.data.model_dump_json(exclude={"max_length", "on_too_long"})
    read = encoder.model_dump_json(exclude={"trainable"}) if encoder.enabled else ""
    return f"{model.name_or_path} {model.revision} {data} {read}"
