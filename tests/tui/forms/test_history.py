"""Undo and redo of a form."""

from __future__ import annotations

from deepsynth_tui.config.presets import find_preset
from deepsynth_tui.tui.forms.history import History, describe
from deepsynth_tui.tui.forms.values import FormValues


def _edit(history: History, form: FormValues, key: str, value: object) -> FormValues:
    after = form.with_values({key: value})
    history.record(form, after, key, edited=key)
    return after


def test_typing_is_one_change_and_a_preset_is_taken_back_whole():
    history, form = History(), FormValues.default("training")
    start = form
    for text in ("R", "Re", "Rea", "Read."):
        form = _edit(history, form, "data.instruction", text)
    typed = form
    preset = find_preset("lora", "qlora_4bit")
    assert preset is not None
    with_preset = typed.with_preset(preset)
    history.record(typed, with_preset, "preset qlora_4bit")

    change = history.undo()
    assert change is not None
    assert (change.name, change.before) == ("preset qlora_4bit", typed)
    change = history.undo()
    assert change is not None
    assert change.before == start
    assert history.undo() is None
    redone = [history.redo(), history.redo()]
    assert [change.after for change in redone if change] == [typed, with_preset]
    assert history.redo() is None


def test_a_new_change_ends_what_can_be_redone():
    history, form = History(), FormValues.default("training")
    edited = _edit(history, form, "lora.r", 64)
    history.undo()
    other = _edit(history, form, "lora.r", 8)
    assert history.redo() is None
    change = history.undo()
    assert change is not None
    assert (change.before, change.after) == (form, other)
    assert edited != other


def test_a_change_is_described_by_its_fields_with_both_values():
    form = FormValues.default("training")
    text = describe(form, form.with_values({"lora.r": 32, "data.instruction": "Read.\nAll of it."}))
    assert text.splitlines() == [
        "lora.r: 16 -> 32",
        "lora.lora_alpha: 32 -> 64",
        "data.instruction: none -> Read. All of it.",
    ]
