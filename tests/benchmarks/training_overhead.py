"""Our training job against a plain script: `python -m tests.benchmarks.training_overhead`.

Both train the same model on the same rows with the same seed, in turn, several times. Prints
medians of the ratios within each pair, so that a change of the machine's speed matters less. Aims:
a step 1.03x, peak memory 1.02x, the first step 1 s later, equal losses. Nothing is asserted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.load import check_values
from deepsynth_tui.runs.directory import create_run
from deepsynth_tui.runs.events import parse_event
from tests.training import chat_tokenizer, small_datasets

PAIRS = 5
STEPS = 20
PLAIN = Path(__file__).with_name("plain_training.py")


def make_model(folder: Path) -> Path:
    """Save a language model of 20 M parameters; a step takes about 0.5 s on two cores."""
    tokenizer = chat_tokenizer.tokenizer()
    tokenizer.chat_template = chat_tokenizer.CHAT_TEMPLATE
    torch.manual_seed(0)
    shape: dict[str, Any] = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 6}
    ids: dict[str, Any] = {
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = LlamaConfig(**shape, num_attention_heads=8, vocab_size=len(tokenizer), **ids)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def ours(home: Path, model: Path, data: Path) -> dict[str, Any]:
    """Run our job and return the figures that `plain_training` prints."""
    values = {
        "kind": "training",
        "name": "ours",
        "model": {"name_or_path": str(model), "dtype": "float32"},
        "lora": {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0},
        "data": {"path": str(data)},
        "training": {
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 1,
            "max_steps": STEPS,
            "learning_rate": 1e-3,
            "warmup_steps": 0,
            "bf16": False,
            "gradient_checkpointing": False,
            "save_steps": STEPS,
        },
    }
    config = check_values(values).config
    assert config is not None
    text = yaml_text.dump(config.model_dump())
    run = create_run(home, kind="training", name="ours", config_text=text)
    finish([sys.executable, "-m", "deepsynth_tui.training.job", str(run.path)])
    lines = run.events.read_bytes().splitlines()
    events: list[Any] = [event for line in lines if (event := parse_event(line))]
    measured = [event.data for event in events if event.kind == "measured"][-1]
    losses = [event for event in events if event.kind == "metric"]
    return {
        "first": losses[0].t,
        "steps": [measured["seconds_per_step"]],
        "losses": [event.data["loss"] for event in losses],
        "peak": measured["host"],
    }


def plain(model: Path, data: Path) -> dict[str, Any]:
    """Run the plain script and return its figures."""
    stdout = finish([sys.executable, str(PLAIN), str(model), str(data), str(STEPS)])
    return json.loads(stdout.splitlines()[-1])


def finish(command: list[str]) -> str:
    """Run a command to its end and return its stdout."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def main() -> None:
    ratios: dict[str, list[float]] = {"step": [], "peak": [], "later": [], "loss": []}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["DEEPSYNTH_HOME"] = str(root / "home")
        model = make_model(root / "model")
        data = small_datasets.write(root / "data", [small_datasets.row(n) for n in range(100)])
        for _ in range(PAIRS):
            begun = time.time()
            theirs = plain(model, data)
            between = time.time()
            mine = ours(root / "home", model, data)
            ratios["step"].append(median(mine["steps"]) / median(theirs["steps"]))
            ratios["peak"].append(mine["peak"] / theirs["peak"])
            ratios["later"].append((mine["first"] - between) - (theirs["first"] - begun))
            pairs = zip(mine["losses"], theirs["losses"], strict=True)
            ratios["loss"].append(max(abs(our_loss - their_loss) for our_loss, their_loss in pairs))
    print(f"step time        {median(ratios['step']):.3f} x  (aim 1.03)")  # noqa: T201 - a report
    print(f"peak memory      {median(ratios['peak']):.3f} x  (aim 1.02)")  # noqa: T201
    print(f"first step       {median(ratios['later']):+.1f} s  (aim +1)")  # noqa: T201
    print(f"losses differ by {max(ratios['loss']):.2g} at most")  # noqa: T201


if __name__ == "__main__":
    main()
