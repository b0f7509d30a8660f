"""Runs that wait for a GPU or the CPU: `queued.json` in the folder of each.

The supervisor starts them (`deepsynth_tui.queue`). A run is in the queue while its `queued.json`
exists and no process has worked on it since; the launcher renames the file. So a supervisor that is
killed at any moment neither loses a run nor starts one twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from deepsynth_tui.runs import atomic, file_lock
from deepsynth_tui.runs.directory import RunDirectory, RunNotFound, RunUnreadable, read_identity
from deepsynth_tui.runs.errors import RunError
from deepsynth_tui.runs.events import EventLog
from deepsynth_tui.runs.json_file import BadContent, Fields, read_object
from deepsynth_tui.runs.liveness import (
    ENDED,
    ProcessStatus,
    StatusUnreadable,
    ended_with_machine,
    own_status,
    read_status,
    write_status,
)
from deepsynth_tui.runs.lock import RunBusy, claim

DeviceKind = Literal["gpu", "cpu"]


class QueueError(RunError):
    """The queue cannot do that."""


class NotQueued(QueueError):
    """The run does not wait in the queue."""


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """The content of `queued.json`.

    Attributes:
        home: Where the queue is.
        order: Runs start in ascending order of it.
        added: In seconds since the epoch.
        device: What it needs.
        devices: Number of GPUs.
        needed: Bytes that each device must have free; None: unknown, it gets an empty one.
        held: Whether it waits for its release.
        reason: Why it is held.
        resume: Whether it continues from its last checkpoint.
        environment: Variables of the command that added it.
        launched_before: `launched` of the status when it was added, None if it had none.
    """

    home: Path
    order: float
    added: float
    device: DeviceKind
    devices: int = 1
    needed: int | None = None
    held: bool = False
    reason: str = ""
    resume: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    launched_before: float | None = None


@dataclass(frozen=True, slots=True)
class QueuedRun:
    """A run that waits. `problem` says why its entry cannot be read, which is None then."""

    run: RunDirectory
    entry: QueueEntry | None
    problem: str = ""


def queue_lock(home: Path) -> AbstractContextManager[None]:
    """Hold the lock of every change of the queue. Raises `file_lock.NoLocks`."""
    return file_lock.locked(home / "queue" / "lock")


def enqueue(
    home: Path,
    run: RunDirectory,
    *,
    device: DeviceKind,
    devices: int = 1,
    needed: int | None = None,
    resume: bool = False,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Put a run that has no process at the end of the queue.

    Raises:
        QueueError: It waits already.
        RunBusy: It has a live job.
        NoLocks: The file system has no locks.
    """
    with queue_lock(home), claim(run):
        status = read_status(run)
        entry = read_entry(run)
        if entry is not None and not was_launched(entry, status):
            raise QueueError(f"{run.id} is in the queue already", "`queue` shows it")
        orders = [waiting.entry.order for waiting in waiting_runs(home) if waiting.entry]
        _write(
            run,
            QueueEntry(
                home=home.absolute(),
                order=max(orders, default=0.0) + 1,
                added=time.time(),
                device=device,
                devices=devices,
                needed=needed,
                resume=resume,
                environment=dict(environment or {}),
                launched_before=status.launched if status else None,
            ),
        )


def read_entry(run: RunDirectory) -> QueueEntry | None:
    """Read `queued.json`; None if the run is not in the queue.

    Raises RunUnreadable if the file is damaged or may not be read.
    """
    try:
        return _from_json(Fields(read_object(run.queued), run.queued.name))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except BadContent as error:
        raise RunUnreadable(run.id, str(error), run.path) from error
    except OSError as error:
        reason = f"{run.queued.name}: {error.strerror or error}"
        raise RunUnreadable(run.id, reason, run.path) from error


def was_launched(entry: QueueEntry, status: ProcessStatus | None) -> bool:
    """Return whether a process has worked on the run since `entry` was written.

    A launcher writes the status before the process exists, then with its pid.
    """
    return (
        status is not None and status.pid is not None and status.launched != entry.launched_before
    )


def waiting_entry(run: RunDirectory) -> QueueEntry | None:
    """Return the entry of a run that waits in the queue, None of any other run.

    Raises:
        RunUnreadable: `queued.json` cannot be read.
        StatusUnreadable: `status.json` cannot be read.
    """
    entry = read_entry(run)  # before the status: the launcher removes it after
    return None if entry is None or was_launched(entry, read_status(run)) else entry


def waiting_runs(home: Path) -> list[QueuedRun]:
    """Return the runs that wait, in the order in which they start; damaged ones come last."""
    waiting: list[QueuedRun] = []
    for run in _runs_with(home, "queued.json"):
        try:
            entry = waiting_entry(run)
        except (RunUnreadable, StatusUnreadable) as error:
            waiting.append(QueuedRun(run, None, error.reason))
            continue
        if entry is not None:
            waiting.append(QueuedRun(run, entry))
    waiting.sort(key=_order)
    return waiting


def positions(home: Path) -> dict[str, int]:
    """Return the position in the queue, from 1, by the id of the run."""
    return {waiting.run.id: number for number, waiting in enumerate(waiting_runs(home), 1)}


def move(home: Path, run: RunDirectory, position: int) -> int:
    """Move a run to a position, counted from 1 or, below 0, from the end; return the position.

    Raises NotQueued, QueueError or NoLocks.
    """
    with queue_lock(home):
        _require(run)
        others = [
            (waiting.run, waiting.entry)
            for waiting in waiting_runs(home)
            if waiting.entry is not None and waiting.run.id != run.id
        ]
        index = position - 1 if position > 0 else len(others) + 1 + position
        if position == 0 or not 0 <= index <= len(others):
            raise QueueError(
                f"The queue has no position {position}", f"Give one from 1 to {len(others) + 1}"
            )
        order = _between([entry.order for _, entry in others], index)
        if order is None:  # two neighbours are too close: number all of them again
            for number, (other, entry) in enumerate(others):
                _write(other, replace(entry, order=float(number)))
            order = index - 0.5
        _change(run, lambda entry: replace(entry, order=order))
        return index + 1


def hold(home: Path, run: RunDirectory, reason: str = "by hand") -> None:
    """Keep a run from starting until its release. Raises NotQueued or NoLocks."""
    with queue_lock(home):
        _change(run, lambda entry: replace(entry, held=True, reason=reason))


def release(home: Path, run: RunDirectory) -> None:
    """Let a held run start again. Raises NotQueued or NoLocks."""
    with queue_lock(home):
        _change(run, lambda entry: replace(entry, held=False, reason=""))


def cancel(home: Path, run: RunDirectory) -> None:
    """Take a run out of the queue: it is "stopped" then. Its folder remains.

    Raises:
        NotQueued: It does not wait, or has just been started.
        NoLocks: The file system has no locks.
    """
    with queue_lock(home):
        _require(run)
        end_in_queue(run)


def end_in_queue(run: RunDirectory) -> None:
    """Record that a waiting run was stopped before it started. Raises NotQueued."""
    try:
        run_lock = claim(run)
    except RunBusy as error:
        raise NotQueued(f"{run.id} has just been started", "Stop it instead") from error
    with run_lock:
        _require(run)
        with EventLog(run.events) as log:
            status = own_status(time.time(), seq_before=log.seq)
            log.write("phase", name="queued", detail="taken out of the queue")
            log.write("done", verdict="stopped")
        write_status(run, replace(status, heartbeat=time.time(), phase=ENDED), durable=True)
        remove_entry(run)


def remove_entry(run: RunDirectory) -> None:
    """Set the entry of a run that has been started aside."""
    with contextlib.suppress(FileNotFoundError):
        run.queued.replace(run.dequeued)


def enqueue_interrupted(home: Path) -> list[RunDirectory]:
    """Put the runs of the queue that ended with the machine, as in a power cut, into it again.

    They come first, and continue from their last checkpoint.
    """
    interrupted: list[RunDirectory] = []
    with queue_lock(home):
        for run in _runs_with(home, "dequeued.json"):
            try:
                status = read_status(run)
                if status is None or not ended_with_machine(status) or waiting_entry(run):
                    continue
                entry = _from_json(Fields(read_object(run.dequeued), run.dequeued.name))
            except (OSError, BadContent, RunUnreadable, StatusUnreadable):
                continue  # the list of runs tells
            orders = [waiting.entry.order for waiting in waiting_runs(home) if waiting.entry]
            again = replace(entry, order=min(orders, default=0.0) - 1, resume=True, held=False)
            _write(run, replace(again, launched_before=status.launched))
            interrupted.append(run)
    return interrupted


def _runs_with(home: Path, name: str) -> Iterator[RunDirectory]:
    """Yield the runs whose folder has a file `name`: one `stat` for each other run."""
    try:
        folders = sorted(os.scandir(home / "runs"), key=lambda folder: folder.name)
    except OSError:
        return
    for folder in folders:
        if not os.path.lexists(f"{folder.path}/{name}"):
            continue
        path = Path(os.path.realpath(folder.path))
        with contextlib.suppress(RunNotFound, RunUnreadable):
            yield RunDirectory(read_identity(RunDirectory(folder.name, path)).id, path)


def _require(run: RunDirectory) -> QueueEntry:
    entry = waiting_entry(run)
    if entry is None:
        raise NotQueued(f"{run.id} does not wait in the queue", "`queue` lists the runs that do")
    return entry


def _change(run: RunDirectory, change: Callable[[QueueEntry], QueueEntry]) -> None:
    _write(run, change(_require(run)))


def _write(run: RunDirectory, entry: QueueEntry) -> None:
    content = json.dumps({"v": 1, **asdict(entry), "home": str(entry.home)}, ensure_ascii=False)
    try:
        atomic.replace(run.queued, content.encode() + b"\n", durable=True)
    except OSError as error:
        raise QueueError(
            f"Cannot write {run.queued}: {error.strerror or error}",
            "Free some disk space, or make the folder writable",
        ) from error


def _between(orders: Sequence[float], index: int) -> float | None:
    """Return a number for a place in ascending `orders`, None if there is none left."""
    if not orders:
        return 1.0
    if index == 0:
        return orders[0] - 1
    if index == len(orders):
        return orders[-1] + 1
    middle = (orders[index - 1] + orders[index]) / 2
    return middle if orders[index - 1] < middle < orders[index] else None


def _order(waiting: QueuedRun) -> tuple[bool, float, float, str]:
    if waiting.entry is None:
        return True, 0.0, 0.0, waiting.run.id
    return False, waiting.entry.order, waiting.entry.added, waiting.run.id


def _from_json(content: Fields) -> QueueEntry:
    device = content.text("device")
    if device not in ("gpu", "cpu"):
        raise BadContent("queued.json has no valid `device`")
    return QueueEntry(
        home=Path(content.text("home")),
        order=content.number("order"),
        added=content.number("added"),
        device=device,
        devices=content.integer("devices"),
        needed=content.optional_integer("needed"),
        held=content.flag("held"),
        reason=content.text("reason"),
        resume=content.flag("resume"),
        environment=content.texts("environment"),
        launched_before=content.optional_number("launched_before"),
    )
