"""The changes of a form, to be undone and redone. Pure: no widgets."""

from __future__ import annotations

from dataclasses import dataclass

from deepsynth_tui.config.fields import as_text
from deepsynth_tui.tui.forms.values import FormValues

LIMIT = 200
"""Changes that are kept; older ones cannot be undone."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a form. `name` says what made it, such as `preset qlora_4bit`."""

    before: FormValues
    after: FormValues
    name: str


class History:
    """What was changed and what was undone. Consecutive edits of a field are one change."""

    def __init__(self) -> None:
        self._done: list[Change] = []
        self._undone: list[Change] = []
        self._edited = ""

    def record(self, before: FormValues, after: FormValues, name: str, *, edited: str = "") -> None:
        """Add a change. `edited` is the key of the field where it is an edit by hand."""
        if before == after:
            return
        if edited and edited == self._edited and self._done:
            self._done[-1] = Change(self._done[-1].before, after, name)
        else:
            self._done.append(Change(before, after, name))
            del self._done[:-LIMIT]
        self._edited = edited
        self._undone.clear()

    def end_edit(self) -> None:
        """Make the next edit a change of its own, although it may be of the same field."""
        self._edited = ""

    def undo(self) -> Change | None:
        """Return the last change, whose `before` is to be shown; None if there is none."""
        self._edited = ""
        if not self._done:
            return None
        self._undone.append(self._done.pop())
        return self._undone[-1]

    def redo(self) -> Change | None:
        """Return the change that was undone last, whose `after` is to be shown."""
        self._edited = ""
        if not self._undone:
            return None
        self._done.append(self._undone.pop())
        return self._done[-1]


def changed_keys(before: FormValues, after: FormValues) -> list[str]:
    """Return the keys whose values differ, in the order of the form."""
    return [key for key, value in after.values.items() if before.values[key] != value]


def describe(before: FormValues, after: FormValues, *, limit: int = 4) -> str:
    """Return the fields that differ with both values, such as `lora.r: 16 -> 32`, in lines."""
    keys = changed_keys(before, after)
    lines = [
        f"{key}: {_short(before.values[key])} -> {_short(after.values[key])}"
        for key in keys[:limit]
    ]
    if len(keys) > limit:
        lines.append(f"and {len(keys) - limit} more")
    return "\n".join(lines)


def _short(value: object) -> str:
    text = " ".join(as_text(value).split()) or "none"
    return text if len(text) <= 32 else f"{text[:31]}…"
