"""An adapter answers a document, beside its base model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from deepsynth_tui.adapters.try_out import configuration, main
from tests.training.conftest import Run

pytestmark = pytest.mark.slow


def test_row_and_page(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adapter = run(training__max_steps=6).run.adapter
    capsys.readouterr()

    assert main([str(adapter), "--row", "1", "--json", "--tokens", "8"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert answers["target"] == "green page 1"
    assert answers["base"] != answers["adapter"]

    page = tmp_path / "page.png"
    Image.new("RGB", (64, 64), "red").save(page)
    assert main([str(adapter), "--image", str(page), "--instruction", "What?"]) == 0
    told = capsys.readouterr().out
    assert "What?" in told
    assert "With the adapter:" in told
    assert "Wanted:" not in told

    assert main([str(adapter), "--row", "1000"]) == 1
    assert capsys.readouterr().err
    assert main([str(tmp_path / "nothing")]) == 1
    assert "adapter_config.json" in capsys.readouterr().err


def test_a_foreign_adapter_names_its_base(tmp_path: Path) -> None:
    stated = {"base_model_name_or_path": "org/base", "revision": "abc"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(stated))
    model = configuration(tmp_path).model
    assert (model.name_or_path, model.revision) == ("org/base", "abc")
