"""Adapters with random weights, as a run would leave them, without the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.modeling.lora import add_adapters
from deepsynth_tui.training.result.save import save_trained
from tests.training.conftest import configuration


def random_adapter(folder: Path, values: dict[str, Any], *, seed: int = 1, **changes: Any) -> Path:
    """Write an adapter with random weights, and the `deepsynth.json` of a run."""
    config = configuration(values, **changes)
    base = load_model_and_processor(config)
    model = add_adapters(base.model, config)
    torch.manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            noise = torch.randn_like(parameter) * 0.05
            # DoRA's magnitudes and saved modules stay near the weights they start from.
            near = "magnitude" in name or "modules_to_save" in name
            parameter.data = parameter + noise if near else noise
    save_trained(model, base.processor, folder)
    name = config.model.name_or_path
    lineage = {
        "base": {"name": name, "path": name, "commit": None, "reads_images": base.reads_images},
        "dataset": {},
        "config": config.model_dump(mode="json"),
    }
    (folder / "deepsynth.json").write_text(json.dumps(lineage))
    return folder
