"""The demo for real: documents, pages, training, and an adapter that PEFT alone can load."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.training.evaluation.metrics import character_error_rate
from tests.builtin import drawn_pages

pytestmark = pytest.mark.slow

MAX_ERROR_RATE = 0.1  # of characters; random weights give more than 1
QUESTION = "What is to be paid?"


@dataclass(frozen=True, slots=True)
class Demo:
    """A finished demo: the folder of its runs, what it printed, and the runs by kind."""

    folder: Path
    stdout: str
    runs: dict[str, Any]

    @property
    def adapter(self) -> Path:
        return self.folder / "training" / "adapter"

    def samples(self, when: str) -> list[dict[str, Any]]:
        """Return the samples "before" or "after" training."""
        lines = (self.folder / "training" / "events.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        return [e for e in events if e["kind"] == "sample" and e["when"] == when]


def page_text(sample: dict[str, Any]) -> str:
    """Return the text on the page of a sample, which follows the question and a blank line."""
    question, _, text = sample["input"].partition("\n\n")
    assert question == QUESTION
    return text


def program(*arguments: str | Path, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    variables = {"DEEPSYNTH_HOME": str(home), "HF_HUB_OFFLINE": "1"} if home else {}
    return subprocess.run(
        [sys.executable, "-m", "deepsynth_tui", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **variables},
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Run the demo once for all tests: it takes a minute on two cores."""
    home = tmp_path_factory.mktemp("home")
    done = program("demo", "--headless", "--dir", home / "demo", home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    listed = program("runs", "--json", home=home)
    runs = {run["kind"]: run for run in json.loads(listed.stdout)}
    return Demo(home / "demo", done.stdout, runs)


def test_the_demo_generates_trains_and_reports(demo: Demo):
    assert "Dataset generated: 480 documents on 480 pages." in demo.stdout
    first, last = (
        float(figure)
        for figure in demo.stdout.split(" steps, loss ")[1].split(".\n")[0].split(" -> ")
    )
    assert last < first / 1.5
    assert demo.stdout.count("A held-out document:") == 3
    assert re.findall("The model (.*) training:", demo.stdout) == ["before", "after"] * 3
    assert demo.runs["dataset"]["state"] == demo.runs["training"]["state"] == "done"
    assert f"deepsynth-tui attach {demo.runs['training']['id']}" in demo.stdout
    assert f"Adapter: {demo.adapter}" in demo.stdout


def test_the_demo_teaches_the_model_to_answer(demo: Demo):
    """Before training the model transcribes the page; after it, it answers the question."""
    (line,) = re.findall(r"Exact match on held-out documents: (.*)\.", demo.stdout)
    before, after = (int(percent) for percent in re.findall(r"(\d+)%", line))
    assert before < 10
    assert after > 80
    samples = demo.samples("before")
    outputs = [sample["output"] for sample in samples]
    assert character_error_rate([page_text(s) for s in samples], outputs) < MAX_ERROR_RATE


def test_peft_alone_answers_with_the_adapter_loaded_and_merged(demo: Demo, tmp_path: Path):
    sample = next(s for s in demo.samples("after") if s["output"] == s["target"])
    page = drawn_pages.write(tmp_path, page_text(sample))
    base = json.loads((demo.adapter / "adapter_config.json").read_text())["base_model_name_or_path"]
    alone = subprocess.run(
        [sys.executable, "-m", "tests.process.adapter_alone", base, demo.adapter, page, QUESTION],
        capture_output=True,
        text=True,
        check=False,
    )
    assert alone.returncode == 0, alone.stderr
    outputs = json.loads(alone.stdout)
    assert character_error_rate([page_text(sample)], [outputs["base"]]) < MAX_ERROR_RATE
    assert outputs["merged"] == outputs["adapter"] == sample["target"]


def test_a_wrong_setting_leaves_nothing_behind(tmp_path: Path):
    done = program("demo", "--headless", "--dir", tmp_path / "demo", "--set", "lora.r=many")
    assert done.returncode == 2
    assert "lora.r" in done.stderr
    assert not (tmp_path / "demo").exists()


def test_a_second_demo_in_the_same_folder_is_refused(tmp_path: Path):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "letter.txt").write_text("mine")
    done = program("demo", "--headless", "--dir", tmp_path)
    assert done.returncode == 2
    assert "not empty" in done.stderr
    assert [path.name for path in (tmp_path / "dataset").iterdir()] == ["letter.txt"]
