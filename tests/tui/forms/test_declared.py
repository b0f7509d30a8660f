"""The declarations that a form reads from the cache folder in place of importing pydantic."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from deepsynth_tui.tui.forms.declared import derive, load, save

SOURCES = {"training.py": [1, 2]}
FORM = """
import sys
from deepsynth_tui.tui.forms.values import FormValues
from deepsynth_tui.tui.widgets.form import Form
for kind in ("dataset", "training"):
    Form(FormValues.default(kind))
print(sorted({"pydantic", "yaml"} & set(sys.modules)))
"""


def test_declarations_are_read_as_they_were_saved(tmp_path: Path):
    path = tmp_path / "declarations.json"
    save(path, derive(), SOURCES)
    assert load(path, SOURCES) == derive()


def test_declarations_of_other_sources_are_not_read(tmp_path: Path):
    path = tmp_path / "declarations.json"
    assert load(path, SOURCES) is None
    save(path, derive(), SOURCES)
    assert load(path, {"training.py": [1, 3]}) is None


def test_a_damaged_file_is_not_read(tmp_path: Path):
    path = tmp_path / "declarations.json"
    for text in ("", "{", "[]", "{}", '{"sources": {"training.py": [1, 2]}, "sections": {}}'):
        path.write_text(text)
        assert load(path, SOURCES) is None


def test_the_second_form_imports_neither_pydantic_nor_yaml(tmp_path: Path):
    environment = {**os.environ, "DEEPSYNTH_HOME": str(tmp_path)}
    for imported in ("['pydantic', 'yaml']\n", "[]\n"):
        shown = subprocess.run(
            [sys.executable, "-c", FORM],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown.stdout == imported
