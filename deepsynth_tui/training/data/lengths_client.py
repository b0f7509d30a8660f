"""Row statistics of a dataset: from the cache, or from a child process that counts tokens."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from deepsynth_tui.child_process import ChildError, ask
from deepsynth_tui.config.locations import cache_dir
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.row_statistics import UNKNOWN_ROWS, RowStatistics
from deepsynth_tui.training.data.dataset_folder import (
    dataset_files,
    dataset_folder,
    may_be_on_hub,
)

SERVER = "deepsynth_tui.training.data.lengths_server"
# The server counts for 10 seconds; the rest is for imports, which take long on a busy machine, and
# for a processor from the Hub.
TIMEOUT_SECONDS = 60

# Part of the cache key. Increase it when `RowStatistics`, the counting, or the processor of a
# builtin model changes: a builtin model is identified by its name.
CACHE_VERSION = 5


class RowStatisticsError(ChildError):
    """The tokens of the rows could not be counted."""


def request_row_statistics(
    config: TrainingConfig, *, timeout: float = TIMEOUT_SECONDS
) -> RowStatistics:
    """Return statistics of the rows of `config`, `UNKNOWN` without a dataset.

    Blocks for seconds, so call it from a thread; `cached_row_statistics` returns at once.

    Raises:
        RowStatisticsError: there is no such dataset, or its rows cannot be used.
    """
    if not all(dataset.path for dataset in config.all_datasets):
        return UNKNOWN_ROWS
    for dataset in config.all_datasets:
        _check_exists(dataset.path)
    cached = cached_row_statistics(config)
    if cached is not None:
        return cached
    try:
        answer = ask(
            SERVER,
            config.model_dump(mode="json"),
            subject=f"The length of the rows of {config.dataset_paths}",
            timeout=timeout,
            timeout_advice="The run itself counts every row before it trains.",
        )
    except ChildError as error:
        raise RowStatisticsError(error.message, error.advice) from error
    statistics = RowStatistics.from_json(answer)
    cache_file = cache_path(config)
    if cache_file is not None and statistics.lengths:
        _write(cache_file, statistics)
    return statistics


def _check_exists(path: str) -> None:
    files = dataset_files(path)
    if files is None and not may_be_on_hub(path):
        raise RowStatisticsError(
            f"{path} is not a file, not a folder and not a run.",
            "Give the folder that `generate` wrote, or the id of its run.",
        )
    if files:
        return
    folder = dataset_folder(path)
    if folder is not None and not folder.is_dir():
        raise RowStatisticsError(f"The run {path} has no dataset yet.", "Let it finish first.")


def cached_row_statistics(config: TrainingConfig) -> RowStatistics | None:
    """Return cached statistics, None if these rows were not counted for this model yet."""
    path = cache_path(config)
    if path is None or not path.is_file():
        return None
    return RowStatistics.from_json(json.loads(path.read_text(encoding="utf-8")))


def cache_path(config: TrainingConfig) -> Path | None:
    """Return the cache file of these rows; None for a dataset that is not on this machine.

    Its name is a hash of everything the lengths depend on: the files of the dataset, those of a
    model folder, the settings of both, and the version of transformers.
    """
    paths = [dataset.path for dataset in config.all_datasets]
    files = [dataset_files(path) if path else None for path in paths]
    if not all(files):
        return None
    model = config.model
    text_encoder = config.text_encoder
    encoder = text_encoder.name_or_path if text_encoder.enabled else ""
    identity = [
        CACHE_VERSION,
        metadata.version("transformers"),
        [_state(path) for listed in files for path in listed or ()],
        [model.name_or_path, model.revision, model.trust_remote_code],
        list(_files(Path(model.name_or_path).expanduser())),
        [model.min_pixels, model.max_pixels],
        config.data.model_dump(mode="json", exclude={"path", "max_length", "on_too_long"}),
        [item.model_dump(mode="json", exclude={"path"}) for item in config.datasets],
        [encoder, text_encoder.revision, text_encoder.tokens, text_encoder.max_length]
        if encoder
        else [],
        list(_files(Path(encoder).expanduser())) if encoder else [],
    ]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    return cache_dir() / "lengths" / f"{Path(paths[0]).name}-{digest}.json"


def _files(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Yield path, size and modification time of each file below a folder, if it is one."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file():
            yield _state(path)


def _state(path: Path) -> tuple[str, int, int]:
    state = path.stat()
    return str(path.resolve()), state.st_size, state.st_mtime_ns


def _write(path: Path, statistics: RowStatistics) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(statistics.to_json()), encoding="utf-8")
    temporary.replace(path)
