"""Adapters are tried on the small models of the training tests, and on the builtin model."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest

from deepsynth_tui import child_process
from deepsynth_tui.adapters import server
from deepsynth_tui.adapters.tasks import SERVER
from deepsynth_tui.builtin import TINY_VLM
from deepsynth_tui.child_process import serve
from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.load import check_values
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.job import run_job
from deepsynth_tui.training.failures import explain, explain_as_user_error
from deepsynth_tui.training.job import train
from tests.builtin.drawn_pages import TEXTS
from tests.training.conftest import dataset, run, values, vision_model
from tests.training.small_datasets import paper, write

__all__ = ["dataset", "run", "values", "vision_model"]


class _Stderr(io.TextIOBase):
    """Passes the lines of progress on, and keeps the last other one."""

    def __init__(self, on_progress: Callable[[str], None]) -> None:
        self.last_line = ""
        self._on_progress = on_progress
        self._unfinished = ""

    def write(self, text: str) -> int:
        *lines, self._unfinished = (self._unfinished + text).split("\n")
        for line in lines:
            if (progress := child_process.progress_in(line)) is not None:
                self._on_progress(progress)
            elif line.strip():
                self.last_line = line
        return len(text)


@pytest.fixture(autouse=True)
def server_in_this_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server of the adapters answer in this process, which has its libraries loaded.

    A test that is marked `own_process` has the server in a process of its own, as users do.
    """
    if request.node.get_closest_marker("own_process"):
        return

    def converse(
        module: str, question: Any, on_progress: Callable[[str], None]
    ) -> tuple[int, str, str]:
        assert module == SERVER
        stdout, stderr = io.StringIO(), _Stderr(on_progress)
        with redirect_stdout(stdout), redirect_stderr(stderr), monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.StringIO(json.dumps(question)))
            status = serve(server.answer, explain=explain_as_user_error)
        return status, stdout.getvalue(), stderr.last_line

    monkeypatch.setattr(child_process, "_converse", converse)


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages that the builtin model reads, and the answer that an adapter learns."""
    rows = [paper(number, text, "paid") for number, text in enumerate(TEXTS)]
    return write(tmp_path_factory.mktemp("papers"), rows)


@pytest.fixture(scope="session")
def paid(tmp_path_factory: pytest.TempPathFactory, papers: Path) -> Iterator[RunDirectory]:
    """A run whose adapter makes the builtin model answer "paid" to every page."""
    values = {
        "kind": "training",
        "name": "paid",
        "model": {"name_or_path": TINY_VLM, "dtype": "float32"},
        "lora": {"r": 4, "lora_alpha": 8},
        "data": {"path": str(papers), "max_length": 512, "instruction": "Read."},
        "training": {
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 1,
            "max_steps": 18,
            "learning_rate": 0.01,
            "warmup_steps": 0,
            "bf16": False,
            "gradient_checkpointing": False,
            "save_steps": 100,
        },
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPSYNTH_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        config = check_values(values).config
        assert isinstance(config, TrainingConfig)
        text = yaml_text.dump(config.model_dump())
        run = create_run(
            tmp_path_factory.mktemp("runs"), kind="training", name="paid", config_text=text
        )
        assert run_job(run.path, lambda job: train(job, resume=False), explain=explain) == 0
        yield run


def with_alpha(adapter: Path, folder: Path, alpha: float) -> Path:
    """Copy an adapter, with another `lora_alpha`."""
    shutil.copytree(adapter, folder)
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"lora_alpha": alpha}))
    return folder
