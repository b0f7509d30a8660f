"""Cache of what the estimates of the Training screen need: layouts, GPUs and dataset statistics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from deepsynth_tui.config.model import ModelSettings
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate import measured_runs
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.process_overhead import ProcessOverhead
from deepsynth_tui.estimate.row_statistics import UNKNOWN_ROWS, RowStatistics
from deepsynth_tui.machine.gpu_catalogue import Gpu, load_catalogue
from deepsynth_tui.models.layout import ModelLayout, Role, load_layout
from deepsynth_tui.models.layout_client import LayoutError, request_layout
from deepsynth_tui.tui.background import in_background, read_in_thread
from deepsynth_tui.tui.forms.half_typed import is_half_typed, is_missing_folder
from deepsynth_tui.workflows.estimate import row_statistics

LAYOUT_DEBOUNCE = 1.5
"""Seconds without a change before a child process reads a model whose layout is not cached."""


@dataclass(frozen=True, slots=True)
class LayoutKey:
    """What the layout of a model depends on."""

    name: str
    revision: str | None = None
    role: Role = "model"
    trust_remote_code: bool = False


@dataclass(frozen=True, slots=True)
class MachineInputs:
    """The GPU catalogue, and corrections learned from earlier runs on this machine."""

    gpus: Sequence[Gpu]
    overhead: ProcessOverhead
    step_time_ratios: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class DatasetStatistics:
    """Statistics of a dataset's rows, and the model settings (pixel bounds) used to count them."""

    rows: RowStatistics
    counted_for: ModelSettings


class EstimateInputsCache:
    """Layouts, GPUs and dataset statistics found so far. To be used from the event loop only."""

    def __init__(self) -> None:
        self._layouts: dict[LayoutKey, asyncio.Future[ModelLayout]] = {}
        self._datasets: dict[str, DatasetStatistics] = {}
        self._machine: MachineInputs | None = None
        self._count_lock = asyncio.Lock()

    def inputs_for(self, config: TrainingConfig, rows: int | None) -> EstimateInputs | None:
        """Return the inputs of an estimate of `config`, None until `load` was awaited.

        `rows` is the number of rows to assume if the dataset was not counted.
        """
        futures = [self._layouts.get(key) for key in layout_keys(config)]
        layouts = [future.result() for future in futures if future and _succeeded(future)]
        if self._machine is None or len(layouts) < len(futures):
            return None
        dataset = self._datasets.get(_dataset_key(config))
        statistics = dataset.rows if dataset else UNKNOWN_ROWS
        return EstimateInputs(
            layouts[0],
            encoder=layouts[1] if len(layouts) > 1 else None,
            dataset=statistics if statistics.rows is not None else replace(statistics, rows=rows),
            gpus=self._machine.gpus,
            overhead=self._machine.overhead,
            step_time_ratios=self._machine.step_time_ratios,
            counted_for=dataset.counted_for if dataset else None,
        )

    async def load(
        self, config: TrainingConfig, report: Callable[[str], object], *, at_once: bool = False
    ) -> None:
        """Load what `inputs_for` needs; `report` is called with the status to show meanwhile.

        `at_once`: read a model without waiting for a pause in the typing, whatever its name.

        Raises:
            LayoutError: A model cannot be read.
            CatalogueError: The GPU catalogue is invalid.
        """
        if self._machine is None:
            self._machine = await read_in_thread(read_machine)
        for key in layout_keys(config):
            await self._load_layout(key, report, at_once=at_once)

    def rows_of(self, config: TrainingConfig) -> RowStatistics | None:
        """Return the statistics of the rows of `config`, None if they were not counted."""
        statistics = self._datasets.get(_dataset_key(config))
        return statistics.rows if statistics else None

    def forget_rows(self) -> None:
        """Let rows be counted again: their files may have changed."""
        self._datasets.clear()

    async def count_rows(self, config: TrainingConfig) -> None:
        """Count the rows of the dataset of `config` in a thread; takes seconds.

        A dataset that cannot be counted gets statistics whose `note` gives the reason.
        """
        key = _dataset_key(config)
        async with self._count_lock:
            if key not in self._datasets:
                rows = await read_in_thread(row_statistics, config)
                self._datasets[key] = DatasetStatistics(rows, config.model)

    async def _load_layout(
        self, key: LayoutKey, report: Callable[[str], object], *, at_once: bool
    ) -> None:
        status = f"Reading the layout of {key.name} …"
        if key not in self._layouts:
            if await read_in_thread(load_layout, key.name, key.revision, key.role) is None:
                report(status)
                if not at_once:
                    await asyncio.sleep(LAYOUT_DEBOUNCE)
                    _require_whole_name(key.name)
            self._layouts[key] = in_background(read_layout, key)
        future = self._layouts[key]
        if not future.done():
            report(status)
        try:
            # Shielded: the next change of the form cancels this estimate, not the layout.
            await asyncio.shield(future)
        finally:
            if future.done() and not _succeeded(future):
                del self._layouts[key]


def _require_whole_name(name: str) -> None:
    """Raise LayoutError for a name that is still being typed: no process is started for it."""
    if is_missing_folder(name):
        raise LayoutError(f"There is no folder {name}.", "Give a checkpoint folder or a Hub id.")
    if is_half_typed(name):
        raise LayoutError(
            f"{name} is neither a folder nor a Hub id (owner/name).",
            "Type the whole id. To look for it as it is, check again.",
        )


def layout_keys(config: TrainingConfig) -> tuple[LayoutKey, ...]:
    """Return the models whose layouts an estimate of `config` needs, the text encoder last."""
    model = config.model
    main = LayoutKey(model.name_or_path, model.revision, trust_remote_code=model.trust_remote_code)
    encoder = config.text_encoder
    if not encoder.enabled:
        return (main,)
    return (main, LayoutKey(encoder.name_or_path, encoder.revision, role="encoder"))


def read_layout(key: LayoutKey) -> ModelLayout:
    """Return the layout of a model, from a child process if it is not cached: takes seconds.

    Raises:
        LayoutError: The model cannot be read.
    """
    return request_layout(
        key.name, key.revision, role=key.role, trust_remote_code=key.trust_remote_code
    )


def read_machine() -> MachineInputs:
    """Read the GPU catalogue and the measurements of earlier runs on this machine.

    Raises:
        CatalogueError: The GPU catalogue is invalid.
    """
    return MachineInputs(
        load_catalogue(), measured_runs.measured_overhead(), measured_runs.step_time_ratios()
    )


def _succeeded(future: asyncio.Future[ModelLayout]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _dataset_key(config: TrainingConfig) -> str:
    """Return a key of everything the lengths of rows depend on, except pixel bounds."""
    model, encoder = config.model, config.text_encoder
    data = config.data.model_dump_json(exclude={"max_length", "on_too_long"})
    text = encoder.model_dump_json(exclude={"trainable"}) if encoder.enabled else ""
    return f"{model.name_or_path} {model.revision} {data} {text}"
