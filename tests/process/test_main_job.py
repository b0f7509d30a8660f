"""The whole job for real: documents, pages, training, and an adapter that PEFT alone can load."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

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


def test_the_demo_does_the_whole_job(tmp_path: Path):
    done = program("demo", "--headless", "--dir", tmp_path / "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    assert "Dataset generated: 44 documents on" in said
    first, last = (
        float(figure) for figure in said.split(" steps, loss ")[1].split(".\n")[0].split(" -> ")
    )
    assert last < first / 1.5
    assert said.count("The model before training:") == said.count("The model after training:") == 1
    assert "during training" not in said
    assert "The model after training:" in said

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


def test_a_second_demo_in_the_same_folder_is_refused(tmp_path: Path):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "letter.txt").write_text("mine")
    done = program("demo", "--headless", "--dir", tmp_path)
    assert done.returncode == 2
    assert "not empty" in done.stderr
    assert [path.name for path in (tmp_path / "dataset").iterdir()] == ["letter.txt"]
