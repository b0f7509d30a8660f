"""Keys of the user's choice, checked. Pure.

A key may have two meanings where it never reaches both: in two screens, or in two widgets of which
one has the focus. Which actions share keys is read from `CHAINS`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import get_args

from textual.keys import KEY_NAME_REPLACEMENTS, Keys, _normalize_key_list, key_to_character

from deepsynth_tui.config.problems import Problem
from deepsynth_tui.tui.actions import (
    ACTIONS,
    ACTIONS_BY_ID,
    Action,
    Place,
    display_key,
    types_character,
)

CHAINS: tuple[tuple[Place, ...], ...] = (
    *(
        (widget, "field_row", "form_fields", "form", screen, "app")
        for widget in ("text_input", "lines_input", "field_select")
        for screen in ("training", "dataset")
    ),
    ("fit_panel", "training", "form", "app"),
    ("run_table", "runs", "app"),
    ("filter_input", "runs", "app"),
    ("filter_input", "monitor", "app"),
    ("field_select", "field_row", "settings"),
    ("text_input", "field_row", "settings"),
)
"""Places whose keys apply at the same time, from the focused widget up. Every other place shares
keys with those of the application, unless it is a dialog."""
DIALOGS: frozenset[Place] = frozenset(
    {
        "save_dialog",
        "stop_dialog",
        "retry_dialog",
        "run_dialog",
        "try_out",
        "crash_dialog",
        "help",
        "xray",
        "settings",
        "jump",
    }
)
"""Places that keep every key to themselves."""
TYPED_INTO: frozenset[Place] = frozenset(
    {
        "form",
        "training",
        "dataset",
        "form_fields",
        "field_row",
        "field_select",
        "text_input",
        "lines_input",
        "filter_input",
        "save_dialog",
        "run_dialog",
        "help",
    }
)
"""Places where characters are text."""
_MODIFIERS = frozenset({"ctrl", "shift", "alt", "super", "meta", "hyper"})
_NAMES = frozenset(key.value for key in Keys)
_UNICODE_NAMES = {short: name for name, short in KEY_NAME_REPLACEMENTS.items()}


def check_keymap(keymap: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    """Return the entries that can be used, with keys as Textual names them, and what is wrong with
    the others: unknown actions and keys, keys that cannot be pressed there, conflicts."""
    usable: dict[str, str] = {}
    problems: list[Problem] = []
    for action_id, keys in keymap.items():
        normal = _normalize_key_list(keys)
        if action_id in ACTIONS_BY_ID and normal == ACTIONS_BY_ID[action_id].keys:
            continue
        if problem := _problem(action_id, normal):
            problems.append(problem)
        else:
            usable[action_id] = normal
    while conflicts := dict(_conflicts(usable)):
        for action_id, message in conflicts.items():
            problems.append(Problem(f"keymap.{action_id}", message, "choose another key"))
            del usable[action_id]
    return usable, problems


def _problem(action_id: str, keys: str) -> Problem | None:
    """Return what is wrong with an entry by itself."""
    key = f"keymap.{action_id}"
    action = ACTIONS_BY_ID.get(action_id)
    if action is None:
        nearest = difflib.get_close_matches(action_id, list(ACTIONS_BY_ID), n=1)
        return Problem(key, "is not an action", f"did you mean {nearest[0]}?" if nearest else "")
    parts = keys.split(",")
    if unknown := [part for part in parts if not _is_key(part)]:
        return Problem(key, f"{unknown[0]!r} is not a key", "as in f5, ctrl+t, escape, x")
    if action.place in TYPED_INTO and all(types_character(_character(k)) for k in parts):
        return Problem(key, f"{keys} types text there", "add a function key or a ctrl+ key")
    return None


def _is_key(name: str) -> bool:
    *modifiers, base = name.split("+")
    if not _MODIFIERS.issuperset(modifiers):
        return False
    return base in _NAMES or name in _NAMES or _character(base) is not None


def _character(key: str) -> str | None:
    """Return the character that a key types, None if it types none."""
    return key_to_character(_UNICODE_NAMES.get(key, key))


def _conflicts(keymap: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the id of each entry whose key has another meaning at the same time, and a message.

    Two actions that share a key as they are declared may share it still.
    """
    listed = {place for chain in CHAINS for place in chain}
    others = [(place, "app") for place in get_args(Place) if place not in listed | DIALOGS]
    for chain in (*CHAINS, *others, *((place,) for place in DIALOGS)):
        together = [action for action in ACTIONS if action.place in chain]
        for first, second in combinations(together, 2):
            shared = _keys(first, keymap) & _keys(second, keymap)
            shared -= _keys(first, {}) & _keys(second, {})
            if shared:
                changed, other = (first, second) if first.id in keymap else (second, first)
                key = display_key(min(shared))
                yield changed.id, f"{key} is the key of {other.id} ({other.label}) too"


def _keys(action: Action, keymap: Mapping[str, str]) -> set[str]:
    return set(keymap.get(action.id, action.keys).split(","))
