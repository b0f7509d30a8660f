"""The action table: it is complete, and what it says is true."""

from __future__ import annotations

import ast
from pathlib import Path
from pkgutil import resolve_name
from typing import get_args

import pytest
from textual.dom import DOMNode

import deepsynth_tui.tui
from deepsynth_tui.tui.actions import (
    ACTIONS,
    CLASSES,
    Action,
    Place,
    bindings,
    display_key,
    key_of,
)

NEVER_THE_ONLY_KEY = ("ctrl+", "alt+")
"""Terminals and multiplexers take some of these chords."""


def test_every_action_has_its_own_id() -> None:
    ids = [action.id for action in ACTIONS]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_the_class_of_its_place_has_the_method_of_an_action(action: Action) -> None:
    name = f"action_{action.method.partition('(')[0]}"
    assert callable(getattr(resolve_name(CLASSES[action.place]), name))


@pytest.mark.parametrize("place", get_args(Place))
def test_the_class_of_a_place_has_its_bindings(place: Place) -> None:
    owner = resolve_name(CLASSES[place])
    assert issubclass(owner, DOMNode)
    assert vars(owner)["BINDINGS"] == bindings(place) != []


def test_no_binding_is_made_outside_the_table() -> None:
    package = Path(deepsynth_tui.tui.__file__).parent
    made_in = {
        file.name
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Binding"
    }
    assert made_in == {"actions.py"}


def test_no_action_depends_on_a_key_that_terminals_take() -> None:
    for action in ACTIONS:
        if action.id == "app.help_quit":
            continue  # it only answers a Ctrl+C that arrives
        free = [key for key in action.keys.split(",") if not key.startswith(NEVER_THE_ONLY_KEY)]
        assert free, action.id


@pytest.mark.parametrize("place", get_args(Place))
def test_labels_and_keys_of_a_place_differ(place: Place) -> None:
    actions = [action for action in ACTIONS if action.place == place]
    labels = [action.label for action in actions]
    keys = [key for action in actions for key in action.keys.split(",")]
    assert len(labels) == len(set(labels))
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("f5", "F5"),
        ("f", "f"),
        ("ctrl+t", "^t"),
        ("escape", "Esc"),
        ("left", "←"),
        ("question_mark", "?"),
        ("shift+tab", "Shift+Tab"),
    ],
)
def test_keys_are_displayed_as_keyboards_label_them(key: str, label: str) -> None:
    assert display_key(key) == label


def test_while_typing_the_key_is_one_that_types_nothing() -> None:
    assert (key_of("fit.apply"), key_of("fit.apply", while_typing=True)) == ("a", "^g")
