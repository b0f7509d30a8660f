"""The queue as rows, for the command line and the interface."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from deepsynth_tui.runs import device_lock, queue
from deepsynth_tui.runs.directory import RunUnreadable, read_identity
from deepsynth_tui.runs.supervisor_status import is_supervised, read_supervisor
from deepsynth_tui.units import format_bytes


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A run in the queue. `needed_bytes` is None if its memory is not estimated. `reason` says why
    it waits or is held."""

    position: int
    id: str
    name: str
    kind: str
    state: Literal["waiting", "held", "unreadable"]
    device: str
    devices: int
    needed_bytes: int | None
    added: float
    reason: str


@dataclass(frozen=True, slots=True)
class QueueView:
    """The rows of the queue, and the (run, device) pairs that it runs now.

    `supervisor` is its pid, None if there is none.
    """

    rows: tuple[QueueRow, ...]
    running: tuple[tuple[str, str], ...]
    supervisor: int | None

    def to_json(self) -> dict[str, object]:
        """Return all fields by name, as JSON types."""
        return {
            "supervisor": self.supervisor,
            "running": [{"id": run, "device": device} for run, device in self.running],
            "queue": [asdict(row) for row in self.rows],
        }


def queue_view(home: Path) -> QueueView:
    """Read the queue of `home`."""
    status = read_supervisor(home) if is_supervised(home) else None
    reasons = status.reasons if status else {}
    rows = tuple(
        _row(number, waiting, reasons.get(waiting.run.id, ""))
        for number, waiting in enumerate(queue.waiting_runs(home), start=1)
    )
    return QueueView(rows, tuple(device_lock.held_devices(home)), status.pid if status else None)


def queue_line(row: QueueRow) -> str:
    """Return a row as a line of text."""
    needed = format_bytes(row.needed_bytes) if row.needed_bytes is not None else ""
    several = f"{row.devices} x " if row.devices > 1 else ""
    device = f"{several}{row.device.upper()}"
    return (
        f"{row.position:>3}  {row.id:<44}{row.state:<9}{device:<7}{needed:<10}{row.reason}"
    ).rstrip()


def _row(number: int, waiting: queue.QueuedRun, reason: str) -> QueueRow:
    run, entry = waiting.run, waiting.entry
    try:
        identity = read_identity(run)
        name, kind = identity.name, identity.kind
    except RunUnreadable:
        name, kind = run.id, ""
    if entry is None:
        return QueueRow(number, run.id, name, kind, "unreadable", "", 0, None, 0.0, waiting.problem)
    return QueueRow(
        position=number,
        id=run.id,
        name=name,
        kind=kind,
        state="held" if entry.held else "waiting",
        device=entry.device,
        devices=entry.devices,
        needed_bytes=entry.needed,
        added=entry.added,
        reason=entry.reason if entry.held else reason,
    )
