"""Put runs into the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.kinds import Config
from deepsynth_tui.config.problems import ConfigError, Problem
from deepsynth_tui.queue.admission import Need, need_of
from deepsynth_tui.queue.environment import kept_environment
from deepsynth_tui.runs import queue
from deepsynth_tui.runs.directory import RunDirectory, create_run


@dataclass(frozen=True, slots=True)
class Candidate:
    """A configuration that is to be queued: the file it is from, and its YAML."""

    file: str
    config: Config
    text: str


@dataclass(frozen=True, slots=True)
class Added:
    """A run that was added, at a `position` from 1, with what it needs."""

    run: RunDirectory
    position: int
    need: Need


def add_configs(home: Path, candidates: Sequence[Candidate]) -> list[Added]:
    """Check every configuration, then create its run and put it into the queue.

    Nothing is added if one of them has a problem, or needs more memory than this machine has.

    Raises:
        ConfigError: with the problems of all of them.
        RunDirectoryError: a run directory cannot be created.
        NoLocks: the file system of `home` has no locks.
    """
    with queue.queue_lock(home):
        pass  # a file system without locks: refused before anything is written
    problems: list[Problem] = []
    needs: list[Need] = []
    for candidate in candidates:
        problems_of_file = _check(candidate.config)
        if not problems_of_file:
            need = need_of(candidate.config)
            needs.append(need)
            problems_of_file = [need.problem] if need.problem else []
        problems += [replace(problem, file=candidate.file) for problem in problems_of_file]
    if problems:
        raise ConfigError(problems)
    added: list[Added] = []
    for candidate, need in zip(candidates, needs, strict=True):
        config = candidate.config
        run = create_run(
            home,
            kind=config.kind,
            name=config.name,
            config_text=candidate.text,
            at=Path(config.output.dir) if config.output.dir else None,
        )
        added.append(add_run(home, run, need))
    return added


def add_run(home: Path, run: RunDirectory, need: Need, *, resume: bool = False) -> Added:
    """Put an existing run into the queue; with `resume`, it continues from its last checkpoint.

    Raises QueueError, RunBusy or NoLocks.
    """
    queue.enqueue(
        home,
        run,
        device=need.device,
        devices=need.devices,
        needed=need.needed,
        resume=resume,
        environment=kept_environment(),
    )
    return Added(run, queue.positions(home).get(run.id, 0), need)


def _check(config: Config) -> list[Problem]:
    if isinstance(config, DatasetConfig):
        from deepsynth_tui.dataset.preflight import check as check_dataset

        return check_dataset(config)
    from deepsynth_tui.training.preflight import check as check_training

    return check_training(config)
