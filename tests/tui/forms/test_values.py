"""The values of a form without its screen."""

from __future__ import annotations

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.load import load_text
from deepsynth_tui.tui.forms.values import FormValues

SEVERAL = """kind: dataset
sources:
  - {path: a.csv, text_column: body}
  - {path: b.jsonl, weight: 2.5}
instructions: {Read. All of it.: 1, "In {language}, please = now:": 0.5}
"""


def test_a_form_keeps_the_lists_that_it_does_not_show():
    """As a draft, as a file, and when another field was edited."""
    config = load_text(SEVERAL).config
    assert isinstance(config, DatasetConfig)
    form = FormValues.of("dataset", config.model_dump()).with_values({"page.margin": 24})
    again = FormValues.of("dataset", form.nested())
    for shown in (form, again):
        saved = load_text(shown.as_yaml()).config
        assert isinstance(saved, DatasetConfig)
        assert saved.page.margin == 24
        assert saved.sources == config.sources
        assert saved.instructions == config.instructions
