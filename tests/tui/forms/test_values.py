"""The values of a form."""

from __future__ import annotations

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.load import load_text
from deepsynth_tui.config.presets import find_preset
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.tui.forms.values import FormValues

LISTS = """kind: dataset
sources:
  - {path: a.csv, text_column: body}
  - {path: b.jsonl, weight: 2.5}
instructions: {Read. All of it.: 1, "In {language}, please = now:": 0.5}
"""


def test_lists_that_the_form_does_not_show_are_kept():
    """In a draft, in a saved file, and after another field was edited."""
    config = load_text(LISTS).config
    assert isinstance(config, DatasetConfig)
    form = FormValues.from_mapping("dataset", config.model_dump()).with_values({"page.margin": 24})
    reloaded = FormValues.from_mapping("dataset", form.nested())
    for values in (form, reloaded):
        saved = load_text(values.as_yaml()).config
        assert isinstance(saved, DatasetConfig)
        assert saved.page.margin == 24
        assert saved.sources == config.sources
        assert saved.instructions == config.instructions


def test_a_recipe_changes_the_fields_and_no_preset_row():
    form = FormValues.default("training")
    recipe = find_preset("recipes", "olmocr_lora")
    assert recipe is not None
    changed = form.with_values({"data.path": "pages", "lora.bias": "all"}).with_preset(recipe)
    assert changed.presets == form.presets
    assert changed.values["lora.bias"] == "none"  # a recipe is whole
    for key, value in recipe.changes.items():
        assert changed.values[key] == value
        assert changed.is_changed(key) == (form.values[key] != value)
    saved = load_text(changed.as_yaml()).config
    assert isinstance(saved, TrainingConfig)
    assert (saved.lora.r, saved.data.max_length, saved.data.path) == (8, 8192, "pages")


def _rank_and_alpha(form: FormValues) -> tuple[object, object]:
    return form.values["lora.r"], form.values["lora.lora_alpha"]


def test_alpha_follows_the_rank_until_it_is_edited():
    form = FormValues.default("training").with_values({"data.path": "pages"})
    assert _rank_and_alpha(form) == (16, 32)
    typed = form
    for text in ("", "6", 64):  # what a form holds while 64 is typed
        typed = typed.with_values({"lora.r": text})
    assert _rank_and_alpha(typed) == (64, 128)
    assert typed.alpha_note == "= 2 x r"
    assert not typed.is_changed("lora.lora_alpha")
    saved = load_text(typed.as_yaml()).config
    assert isinstance(saved, TrainingConfig)
    assert saved.lora.lora_alpha == 128, "the number is in the file"

    edited = typed.with_values({"lora.lora_alpha": 32})
    assert edited.alpha_note == "= 0.5 x r"
    assert _rank_and_alpha(edited.with_values({"lora.r": 8})) == (8, 32)
    assert _rank_and_alpha(edited.reset(["lora.lora_alpha"])) == (64, 128)
    restored = FormValues.from_mapping("training", edited.nested())
    assert _rank_and_alpha(restored.with_values({"lora.r": 8})) == (8, 32), "also after a restart"


def test_a_change_of_rank_and_alpha_together_is_taken_as_it_is():
    form = FormValues.default("training").with_values({"lora.r": 16, "lora.lora_alpha": 16})
    assert _rank_and_alpha(form) == (16, 16)
    assert _rank_and_alpha(form.with_values({"lora.r": 32})) == (32, 16)
