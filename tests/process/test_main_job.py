"""The whole job for real: documents, pages, training, and an adapter that PEFT alone can load."""

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

MOST_ERRORS = 0.1  # of the characters; random weights make more errors than there are
QUESTION = "What is to be paid?"


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that has ended: where its runs lie, what it printed, and what runs are known."""

    folder: Path
    said: str
    runs: dict[str, Any]

    @property
    def adapter(self) -> Path:
        return self.folder / "training" / "adapter"

    def samples(self, when: str) -> list[dict[str, Any]]:
        """What the model said before or after to the papers that are shown."""
        lines = (self.folder / "training" / "events.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        return [one for one in events if one["kind"] == "sample" and one["when"] == when]


def paper(sample: dict[str, Any]) -> str:
    """What is on the page of a sample: its input is the question, a blank line and that."""
    question, _, text = sample["input"].partition("\n\n")
    assert question == QUESTION
    return text


def program(*arguments: str | Path, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    given = {"DEEPSYNTH_HOME": str(home), "HF_HUB_OFFLINE": "1"} if home else {}
    return subprocess.run(
        [sys.executable, "-m", "deepsynth_tui", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **given},
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo as a person starts it, once for all tests: it takes a minute on two cores."""
    home = tmp_path_factory.mktemp("home")
    done = program("demo", "--headless", "--dir", home / "demo", home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    listed = program("runs", "--json", home=home)
    runs = {run["kind"]: run for run in json.loads(listed.stdout)}
    return Demo(home / "demo", done.stdout, runs)


def test_the_demo_does_the_whole_job(demo: Demo):
    assert "Dataset generated: 480 documents on 480 pages." in demo.said
    first, last = (
        float(figure)
        for figure in demo.said.split(" steps, loss ")[1].split(".\n")[0].split(" -> ")
    )
    assert last < first / 1.5
    assert demo.said.count("A held-out document:") == 3
    assert re.findall("The model (.*) training:", demo.said) == ["before", "after"] * 3
    assert demo.runs["dataset"]["state"] == demo.runs["training"]["state"] == "done"
    assert f"deepsynth-tui attach {demo.runs['training']['id']}" in demo.said
    assert f"Adapter: {demo.adapter}" in demo.said


def test_the_demo_teaches_it_to_answer(demo: Demo):
    """It reads the papers aloud, and after a minute it answers the question instead."""
    (line,) = re.findall(r"Exact match on held-out documents: (.*)\.", demo.said)
    before, after = (int(percent) for percent in re.findall(r"(\d+)%", line))
    assert before < 10
    assert after > 80
    read = demo.samples("before")
    said = [one["output"] for one in read]
    assert character_error_rate([paper(one) for one in read], said) < MOST_ERRORS


def test_peft_alone_answers_with_the_adapter_and_with_both_merged(demo: Demo, tmp_path: Path):
    right = next(one for one in demo.samples("after") if one["output"] == one["target"])
    page = drawn_pages.write(tmp_path, paper(right))
    base = json.loads((demo.adapter / "adapter_config.json").read_text())["base_model_name_or_path"]
    alone = subprocess.run(
        [sys.executable, "-m", "tests.process.adapter_alone", base, demo.adapter, page, QUESTION],
        capture_output=True,
        text=True,
        check=False,
    )
    assert alone.returncode == 0, alone.stderr
    said = json.loads(alone.stdout)
    assert character_error_rate([paper(right)], [said["base"]]) < MOST_ERRORS
    assert said["merged"] == said["adapter"] == right["target"]


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
