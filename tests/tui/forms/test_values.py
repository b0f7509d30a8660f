"""The values of a form."""

from __future__ import annotations

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.load import load_text
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
