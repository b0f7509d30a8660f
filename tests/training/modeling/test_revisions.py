"""The Hub commit that was loaded is recorded; the cache is made by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest

from tests.training.conftest import Run

OLD, NEW = "a" * 40, "b" * 40


@pytest.mark.slow
def test_the_loaded_commit_is_recorded(
    run: Run, vision_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--me--model"
    for commit, name in ((OLD, "v1"), (NEW, "main")):
        shutil.copytree(vision_model, repository / "snapshots" / commit)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / name).write_text(commit)

    for revision, commit in ((None, NEW), ("v1", OLD)):
        ran = run(model__name_or_path="me/model", model__revision=revision)
        assert ran.verdict == "completed", ran.failure
        lineage = json.loads((ran.run.adapter / "deepsynth.json").read_text())
        assert lineage["base"]["commit"] == commit
        assert lineage["config"]["model"]["revision"] == commit
        adapter = json.loads((ran.run.adapter / "adapter_config.json").read_text())
        assert adapter["revision"] == commit
