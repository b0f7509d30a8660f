"""The whole job for real: documents, pages, training, and an adapter that PEFT alone can load."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deepsynth_tui.builtin import TINY_VLM, locate

pytestmark = pytest.mark.slow

# The demo's model, or a checkpoint that is to become it.
READS = "qwen3_vl"  # what `builtin.recipe` makes; the model of random weights is another
READER = os.environ.get("DEEPSYNTH_READER", TINY_VLM)

ADAPTER_ALONE = """
import sys, torch
from peft import PeftModel
from transformers import AutoModelForImageTextToText, AutoProcessor
from PIL import Image

folder, base = sys.argv[1:]
model = AutoModelForImageTextToText.from_pretrained(base, dtype="float32").eval()
processor = AutoProcessor.from_pretrained(folder)
turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Read."}]}]
prompt = processor.apply_chat_template(turn, add_generation_prompt=True)
inputs = processor(text=prompt, images=[Image.new("RGB", (320, 320), "white")], return_tensors="pt")
with torch.no_grad():
    before = model(**inputs).logits
    adapted = PeftModel.from_pretrained(model, folder).eval()
    after = adapted(**inputs).logits
assert not any(name.startswith("deepsynth_tui") for name in sys.modules)
print(float((after - before).abs().max()))
"""


def program(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deepsynth_tui", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def exact_match(said: str) -> list[float]:
    """Shares of right answers, before and after."""
    (line,) = re.findall(r"Exact match on held-out documents: (.*)\.", said)
    return [int(percent) / 100 for percent in re.findall(r"(\d+)%", line)]


def test_the_demo_does_the_whole_job(tmp_path: Path):
    """With few steps and few answers: what it teaches is another test."""
    few = ["training.max_steps=30", "data.max_eval_samples=6", "training.show_samples=2"]
    few = [part for change in few for part in ("--set", change)]
    done = program("demo", "--headless", "--dir", tmp_path / "demo", *few)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    assert "Dataset generated: 480 documents on 480 pages." in said
    first, last = (
        float(figure) for figure in said.split(" steps, loss ")[1].split(".\n")[0].split(" -> ")
    )
    assert last < first / 1.5
    assert exact_match(said)[0] < 0.1
    assert said.count("A document that it never learned from:") == 2
    assert re.findall("The model (.*) training:", said) == ["before", "after"] * 2

    runs = {run["kind"]: run for run in json.loads(program("runs", "--json").stdout)}
    assert runs["dataset"]["state"] == runs["training"]["state"] == "done"
    assert f"deepsynth-tui attach {runs['training']['id']}" in said

    adapter = tmp_path / "demo" / "training" / "adapter"
    assert f"Adapter: {adapter}" in said
    base = json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"]
    alone = subprocess.run(
        [sys.executable, "-c", ADAPTER_ALONE, adapter, base],
        capture_output=True,
        text=True,
        check=False,
    )
    assert alone.returncode == 0, alone.stderr
    assert float(alone.stdout) > 0.01


def test_the_demo_teaches_a_model_that_reads(tmp_path: Path):
    """It reads the pages aloud, and after two minutes it answers the question instead."""
    config = json.loads((Path(locate(READER)) / "config.json").read_text())
    if config["model_type"] != READS:
        pytest.skip(f"{READER} has random weights yet: it cannot read")
    reader = ("--set", f"model.name_or_path={READER}")
    done = program("demo", "--headless", "--dir", tmp_path / "demo", *reader)
    assert done.returncode == 0, done.stdout + done.stderr
    before, after = exact_match(done.stdout)
    assert before < 0.1
    assert after > 0.8


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
