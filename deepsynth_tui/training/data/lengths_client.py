"""Ask how long a dataset's rows are: from the cache, else from a child process that counts."""

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
from deepsynth_tui.training.data.dataset_folder import dataset_folder, may_be_on_hub

JOB = "deepsynth_tui.training.data.lengths_server"
# The job counts for 10 seconds; the rest is for its imports and for a processor from the Hub.
TIMEOUT_SECONDS = 30

# Part of the cache key: raise it when `RowStatistics` or the counting changes, or the processor of
# a
# builtin model, which is known by its name.
FORMAT = 3


class RowStatisticsError(ChildError):
    """The rows could not be counted. `message`: why; `advice`: what to do next."""


def request_row_statistics(
    config: TrainingConfig, *, timeout: float = TIMEOUT_SECONDS
) -> RowStatistics:
    """Return what is known of the dataset of `config`, counting its rows if need be.

    Blocks: seconds. Call it from a thread; `load` is the instant half of it. Nothing is known
    while ``data.path`` is empty. Raises `RowStatisticsError`.
    """
    path = config.data.path
    if not path:
        return UNKNOWN_ROWS
    folder = dataset_folder(path)
    if folder is None and not may_be_on_hub(path):
        hint = "Give the folder that `generate` wrote, or the id of its run."
        raise RowStatisticsError(f"{path} is no folder and no run.", hint)
    if folder is not None and not folder.is_dir():
        raise RowStatisticsError(f"The run {path} has no dataset yet.", "Let it finish first.")
    place = cache_path(config)
    if place is not None and (known := _read(place)) is not None:
        return known
    try:
        answer = ask(
            JOB,
            subject=f"The length of the rows of {path}",
            timeout=timeout,
            timeout_advice="The run itself counts every row before it trains.",
            question=config.model_dump(mode="json"),
        )
    except ChildError as error:
        raise RowStatisticsError(error.message, error.advice) from error
    facts = RowStatistics.from_json(answer)
    if place is not None and facts.lengths:
        _write(place, facts)
    return facts


def load(config: TrainingConfig) -> RowStatistics | None:
    """What was counted before, None if these rows were not counted for this model yet."""
    place = cache_path(config)
    return _read(place) if place else None


def cache_path(config: TrainingConfig) -> Path | None:
    """Where the lengths of these rows lie; None for a dataset that is no folder.

    The name carries all that they depend on: the dataset's files, the model's where it is a
    folder, how the rows are read, and the version of transformers.
    """
    folder = dataset_folder(config.data.path) if config.data.path else None
    if folder is None or not folder.is_dir():
        return None
    model = config.model
    second = config.text_encoder
    encoder = second.name_or_path if second.enabled else ""
    identity = [
        FORMAT,
        metadata.version("transformers"),
        list(_files(folder)),
        [model.name_or_path, model.revision, model.trust_remote_code],
        list(_files(Path(model.name_or_path).expanduser())),
        [model.min_pixels, model.max_pixels],
        config.data.model_dump(mode="json", exclude={"path", "max_length", "on_too_long"}),
        [encoder, second.revision, second.tokens, second.max_length] if encoder else [],
        list(_files(Path(encoder).expanduser())) if encoder else [],
    ]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    return cache_dir() / "lengths" / f"{folder.name}-{digest}.json"


def _files(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Path, size and time of change of each file below a folder; none if it is no folder."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file():
            state = path.stat()
            yield str(path.resolve()), state.st_size, state.st_mtime_ns


def _read(place: Path) -> RowStatistics | None:
    if not place.is_file():
        return None
    return RowStatistics.from_json(json.loads(place.read_text(encoding="utf-8")))


def _write(place: Path, facts: RowStatistics) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    draft.write_text(json.dumps(facts.to_json()), encoding="utf-8")
    draft.replace(place)
