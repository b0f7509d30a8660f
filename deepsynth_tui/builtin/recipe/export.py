"""Export the trained model: weights in float16, model card and `figures.json`.

`figures.json` holds seed, versions, stages with their loss curves, and evaluation metrics.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from deepsynth_tui.builtin.recipe import model
from deepsynth_tui.builtin.recipe.card import model_card
from deepsynth_tui.builtin.recipe.stages import Stage
from deepsynth_tui.runs.directory import open_run
from deepsynth_tui.runs.reduce_events import fold
from deepsynth_tui.runs.state import RunState
from deepsynth_tui.runs.tail import EventTail

MAX_BYTES = 10_000_000  # size limit of the weights in the wheel
MAX_PARAMETERS = 5_000_000
# The highest character error rates with which the model ships.
MAX_ERROR_RATES: Mapping[str, float] = {"seen_fonts": 0.03, "unseen_fonts": 0.10}
LIBRARIES = ("torch", "transformers", "deepsynth-tui")
WEIGHTS = "model.safetensors"
PROCESSOR = "processor_config.json"
# Files that a training run adds to a checkpoint; they do not ship.
RUN_FILES = ("deepsynth.json", "README.md", "trainer_state.json", "*.pt", "*.pth")


def export_float16(checkpoint: Path, folder: Path) -> int:
    """Write `checkpoint` to `folder` with float16 weights, and return the number of parameters.

    float16 rather than bfloat16: the values of so small a model stay in range, and each weight
    keeps three more bits. A video processor is added to the processor's configuration, which
    transformers requires if torchvision is installed.

    Raises:
        ValueError: the model is too large to ship.
    """
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(checkpoint / WEIGHTS)
    parameters = sum(weight.numel() for weight in weights.values())
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns(WEIGHTS, *RUN_FILES))
    float16_weights = {name: weight.to(torch.float16) for name, weight in weights.items()}
    save_file(float16_weights, folder / WEIGHTS, metadata={"format": "pt"})
    size = (folder / WEIGHTS).stat().st_size
    if parameters > MAX_PARAMETERS or size > MAX_BYTES:
        raise ValueError(f"{parameters:,} parameters in {size:,} bytes are too large to ship")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for section in (config, config["text_config"], config["vision_config"]):
        section["dtype"] = "float16"
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    processor = json.loads((folder / PROCESSOR).read_text(encoding="utf-8"))
    processor["video_processor"] = model.VIDEO_PROCESSOR
    (folder / PROCESSOR).write_text(json.dumps(processor, indent=2) + "\n", encoding="utf-8")
    return parameters


def write_card_and_figures(
    folder: Path,
    training_folder: Path,
    stages: Sequence[Stage],
    parameters: int,
    metrics: Mapping[str, Any],
) -> bool:
    """Write `figures.json` and the model card to `folder`; return whether the model may ship.

    Args:
        folder: The exported model.
        training_folder: Folder of the recipe, with the runs of all `stages`.
        stages: The stages the model was trained with.
        parameters: Number of parameters.
        metrics: What `evaluate` returned.
    """
    figures = {
        "seed": model.SEED,
        "versions": {"python": platform.python_version()}
        | {library: version(library) for library in LIBRARIES},
        "parameters": parameters,
        "bytes": (folder / WEIGHTS).stat().st_size,
        "stages": [
            asdict(stage) | training_curve(training_folder / stage.name / "training")
            for stage in stages
        ],
        "bar": dict(MAX_ERROR_RATES),
        "marks": dict(metrics),
    }
    text = json.dumps(figures, indent=1, ensure_ascii=False) + "\n"
    (folder / "figures.json").write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(model_card(figures), encoding="utf-8")
    return meets_thresholds(metrics)


def meets_thresholds(metrics: Mapping[str, Any]) -> bool:
    """Return whether the error rate of every part is within `MAX_ERROR_RATES`."""
    return all(metrics[part]["cer"] <= limit for part, limit in MAX_ERROR_RATES.items())


def training_curve(run: Path) -> dict[str, Any]:
    """Return `steps`, `seconds` and `losses` of a training run, as pairs [step, loss]."""
    tail = EventTail(open_run(run).events)
    state = RunState()
    while events := tail.poll():
        state = fold(state, events)
    points = state.series.get("loss", ())
    seconds = state.ended - state.started if state.ended and state.started else None
    return {
        "steps": state.step,
        "seconds": round(seconds) if seconds else None,
        "losses": [[step, round(loss, 4)] for step, loss in points],
    }
