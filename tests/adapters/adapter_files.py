"""Adapter folders written without a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

PREFIX = "base_model.model.model.language_model.layers"


def write(folder: Path, tensors: dict[str, torch.Tensor], **peft: Any) -> Path:
    """Write an adapter with these tensors, named as in the file."""
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "base_model_name_or_path": "org/base", "revision": "abc"} | peft
    (folder / "adapter_config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    return folder


def linear(
    layer: int, a: torch.Tensor, b: torch.Tensor, name: str = "q_proj"
) -> dict[str, torch.Tensor]:
    """Return the factors of one linear layer."""
    module = f"{PREFIX}.{layer}.self_attn.{name}"
    return {f"{module}.lora_A.weight": a, f"{module}.lora_B.weight": b}


def of_rank(r: int, used: int, *, size: int = 96) -> tuple[torch.Tensor, torch.Tensor]:
    """Return factors of rank `r` whose product has `used` equal singular values."""
    generator = torch.Generator().manual_seed(r + used)
    left, _ = torch.linalg.qr(torch.randn(size, used, generator=generator, dtype=torch.float64))
    right, _ = torch.linalg.qr(torch.randn(size, used, generator=generator, dtype=torch.float64))
    mixed, _ = torch.linalg.qr(torch.randn(r, used, generator=generator, dtype=torch.float64))
    return (mixed @ right.T).float(), (left @ mixed.T).float()
