"""What the interface reads of adapters and exams. A child process reads it: it needs no PyTorch,
but arrays, and a large adapter takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.child_session import Session

# Named, not imported: it belongs to the process that reads.
SERVER = "deepsynth_tui.adapters.look_server"
_SUBJECT = "The process that reads adapters"


@dataclass(frozen=True, slots=True)
class AdapterEntry:
    """An adapter in the list. `problem` says why it cannot be read; the other fields are empty
    then."""

    name: str
    path: str
    problem: str = ""
    base: str = ""
    kind: str = ""
    rank: int | None = None
    bytes: int = 0
    created: float = 0.0


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """The norm of the update of a layer, and what it uses of its rank, as text."""

    label: str
    norm: float
    used: str
    rank: str


@dataclass(frozen=True, slots=True)
class AdapterDetails:
    """What `adapters show` says. `data` is the dataset that it was trained on, if known."""

    facts: Mapping[str, str]
    layers: Sequence[LayerNorm]
    remarks: Sequence[str]
    exams: Sequence[str]
    data: str


class AdapterLook:
    """Asks the process that reads adapters. Its methods block, and raise `ChildError`."""

    def __init__(self, home: Path) -> None:
        self._home = str(home)
        self._session = Session(SERVER, subject=_SUBJECT)
        # A long list must not delay the details of its first adapters.
        self._list_session = Session(SERVER, subject=_SUBJECT)

    def list(self, places: Sequence[str], on_entry: Callable[[AdapterEntry], None]) -> None:
        """Pass each adapter of the runs, and of folders or Hub ids, to `on_entry` when read."""
        question = {"task": "list", "home": self._home, "places": list(places)}
        self._list_session.ask(question, lambda part: on_entry(_entry(part)))

    def show(self, adapter: str) -> AdapterDetails:
        """Return what is known of an adapter."""
        shown = self._ask("show", adapter=adapter)
        layers = [LayerNorm(**layer) for layer in shown["layers"]]
        return AdapterDetails(
            shown["facts"], layers, shown["remarks"], shown["exams"], shown["data"]
        )

    def report(self, folder: str, keys: Sequence[str], metric: str | None = None) -> dict[str, Any]:
        """Return the result of an exam as JSON values, the rows that differ most first."""
        return self._ask("report", folder=folder, keys=list(keys), metric=metric)

    def page(self, folder: str, row: int, columns: int) -> dict[str, Any]:
        """Return `pages` of a row of an exam, as lines of braille characters, and `question`."""
        return self._ask("page", folder=folder, row=row, columns=columns)

    def plan_deletion(self, adapter: str) -> dict[str, Any]:
        """Return `folder`, `bytes` that its deletion frees, and the `run` that it belongs to."""
        return self._ask("plan_deletion", adapter=adapter)

    def delete(self, adapter: str) -> int:
        """Delete an adapter and return the bytes that are free now."""
        return self._ask("delete", adapter=adapter)

    def close(self) -> None:
        """End the processes; what waits for them raises `SessionClosed`."""
        self._session.close()
        self._list_session.close()

    def _ask(self, task: str, **arguments: object) -> Any:
        return self._session.ask({"task": task, "home": self._home, **arguments})


def _entry(values: Mapping[str, Any]) -> AdapterEntry:
    return AdapterEntry(
        name=values["name"],
        path=values["path"],
        problem=values["problem"] or "",
        base=values.get("base", ""),
        kind=values.get("peft_type", ""),
        rank=values.get("r"),
        bytes=values.get("bytes", 0),
        created=values.get("created", 0.0),
    )
