"""From the end of the course to the folder that goes into the wheel: half the bytes, and figures.

Beside the weights: `figures.json` (seeds, versions, stages, losses, marks) and the model card.
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
from deepsynth_tui.builtin.recipe.card import card
from deepsynth_tui.builtin.recipe.stages import Stage
from deepsynth_tui.runs.directory import open_run
from deepsynth_tui.runs.reduce_events import fold
from deepsynth_tui.runs.state import RunState
from deepsynth_tui.runs.tail import EventTail

MOST_BYTES = 10_000_000  # of the weights, as the wheel may grow
MOST_PARAMETERS = 5_000_000
# Character error rates that the reader has to stay under.
BAR: Mapping[str, float] = {"seen_fonts": 0.03, "unseen_fonts": 0.10}
LIBRARIES = ("torch", "transformers", "deepsynth-tui")
WEIGHTS = "model.safetensors"
PROCESSOR = "processor_config.json"
# What a training run adds to a model or a checkpoint, and the wheel has no use for.
OF_THE_RUN = ("deepsynth.json", "README.md", "trainer_state.json", "*.pt", "*.pth")


def halve(trained: Path, target: Path) -> int:
    """Write the model `trained` to `target` with weights of 2 bytes; return their number.

    What it may be loaded with elsewhere, torchvision, is seen to as well.

    float16 rather than bfloat16: nothing in so small a model is too large for it, and it keeps
    three bits more of each weight.

    Raises:
        ValueError: the model is too large to be shipped.
    """
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(trained / WEIGHTS)
    count = sum(weight.numel() for weight in weights.values())
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(trained, target, ignore=shutil.ignore_patterns(WEIGHTS, *OF_THE_RUN))
    halved = {name: weight.to(torch.float16) for name, weight in weights.items()}
    save_file(halved, target / WEIGHTS, metadata={"format": "pt"})
    size = (target / WEIGHTS).stat().st_size
    if count > MOST_PARAMETERS or size > MOST_BYTES:
        raise ValueError(f"{count:,} parameters in {size:,} bytes are too much for the wheel")
    config = json.loads((target / "config.json").read_text(encoding="utf-8"))
    for part in (config, config["text_config"], config["vision_config"]):
        part["dtype"] = "float16"
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    processor = json.loads((target / PROCESSOR).read_text(encoding="utf-8"))
    processor["video_processor"] = model.VIDEOS
    (target / PROCESSOR).write_text(json.dumps(processor, indent=2) + "\n", encoding="utf-8")
    return count


def describe(
    target: Path, course: Path, stages: Sequence[Stage], parameters: int, marks: Mapping[str, Any]
) -> bool:
    """Write figures and card beside the weights in `target`; return whether the bar is reached."""
    figures = {
        "seed": model.SEED,
        "versions": {"python": platform.python_version()}
        | {library: version(library) for library in LIBRARIES},
        "parameters": parameters,
        "bytes": (target / WEIGHTS).stat().st_size,
        "stages": [asdict(stage) | learned(course / stage.name / "training") for stage in stages],
        "bar": dict(BAR),
        "marks": dict(marks),
    }
    text = json.dumps(figures, indent=1, ensure_ascii=False) + "\n"
    (target / "figures.json").write_text(text, encoding="utf-8")
    (target / "README.md").write_text(card(figures), encoding="utf-8")
    return passes(marks)


def passes(marks: Mapping[str, Any]) -> bool:
    """Whether every part of the examination was read with fewer errors than `BAR` allows."""
    return all(marks[part]["cer"] <= most for part, most in BAR.items())


def learned(run: Path) -> dict[str, Any]:
    """Return steps, seconds and the curve of a training run: [step, loss] each."""
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
