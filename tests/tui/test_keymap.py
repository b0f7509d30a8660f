"""Keys of the user's choice: what is refused, and why."""

from __future__ import annotations

from pkgutil import resolve_name

import pytest
from textual.screen import ModalScreen

from deepsynth_tui.tui.actions import ACTIONS, CLASSES, Action
from deepsynth_tui.tui.keymap import DIALOGS, check_keymap


def test_keys_that_are_free_are_taken_as_textual_names_them() -> None:
    keymap, problems = check_keymap({"monitor.stop": "X, :", "form.start": "ctrl+x,f5"})
    assert (keymap, problems) == ({"monitor.stop": "X,colon", "form.start": "ctrl+x,f5"}, [])


@pytest.mark.parametrize(
    ("action", "keys", "message"),
    [
        ("monitor.stopp", "x", "is not an action (did you mean monitor.stop?)"),
        ("monitor.stop", "strg+x", "'strg+x' is not a key (as in f5, ctrl+t, escape, x)"),
        ("monitor.stop", "", "'' is not a key"),
        ("monitor.stop", "x,,y", "'' is not a key"),
        ("monitor.stop", "f5x", "'f5x' is not a key"),
        ("form.start", "x", "x types text there (add a function key or a ctrl+ key)"),
        ("monitor.stop", "z", "z is the key of monitor.zoom (Zoom) too (choose another key)"),
        ("monitor.stop", "f2", "F2 is the key of app.dataset (Dataset) too"),
        ("fit.xray", "f5", "F5 is the key of form.start (Start) too"),
        ("field.complete", "f5", "F5 is the key of form.start (Start) too"),
        ("runs.stop", "pageup", "PgUp is the key of run_table.page_up (Page up) too"),
    ],
)
def test_what_cannot_work_is_refused_in_words(action: str, keys: str, message: str) -> None:
    keymap, (problem,) = check_keymap({action: keys})
    assert keymap == {}
    assert str(problem).startswith(f"keymap.{action}: {message}")


def test_two_actions_can_swap_their_keys() -> None:
    swapped = {"monitor.stop": "z", "monitor.zoom": "s"}
    assert check_keymap(swapped) == (swapped, [])


def test_an_entry_that_needs_the_key_of_a_refused_one_is_refused_too() -> None:
    keymap, problems = check_keymap({"monitor.stop": "r", "monitor.zoom": "s"})
    assert keymap == {}
    assert [problem.key for problem in problems] == ["keymap.monitor.stop", "keymap.monitor.zoom"]


def test_the_same_key_in_two_screens_is_no_conflict() -> None:
    free = {"monitor.metrics": "R"} | {"runs.sort": "K"}
    assert check_keymap(free)[0] == {"runs.sort": "K"}


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_the_declared_keys_can_be_written_down(action: Action) -> None:
    assert check_keymap({action.id: action.keys}) == ({}, [])
    assert check_keymap({action.id: f"{action.keys},ctrl+f19"})[1] == []


def test_dialogs_are_the_modal_screens() -> None:
    modal = {
        place for place, owner in CLASSES.items() if issubclass(resolve_name(owner), ModalScreen)
    }
    assert modal == DIALOGS
