"""The loss and gradients of a batch on the GPU, against those on the CPU from the same files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.training.data.collator import ROW_IDS, Collator
from deepsynth_tui.training.data.dataset import load_split
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.gradient_checkpointing import enable_gradient_checkpointing
from deepsynth_tui.training.modeling.load import load_model_and_processor
from tests.gpu.first_check.report import Report
from tests.gpu.first_check.runs import FAMILIES, config, has_setting, quantized, write_rows

LOSS, COSINE = 0.02, 0.98
"""Allowed relative difference of losses, and least cosine of the gradients."""
PAGE = 900  # pixels a side: DeepSeek-OCR-2 cuts tiles
EVERY_TOWER = {"quantization__towers": ["language", "vision", "projector"]}


def check_parity(report: Report, root: Path) -> None:
    """Compare every family in 16 and 4 bits."""
    _compare(report, root, (16, 4))


def check_eight_bits(report: Report, root: Path) -> None:
    """Compare every family in 8 bits: activations are quantized on the GPU alone."""
    _compare(report, root, (8,))


def _compare(report: Report, root: Path, widths: Sequence[int]) -> None:
    data = write_rows(root / "rows", count=8, side=PAGE)
    for family, make in FAMILIES.items():
        folder = make(root / family)
        for bits in widths:
            every = EVERY_TOWER if bits < 16 and has_setting("quantization.towers") else {}
            for name, changes in {"": {}, " every tower": every}.items():
                if name and not changes:
                    continue
                with report.check(f"parity {family} {bits} bit{name}"):
                    settings = config(folder, data, **quantized(bits), **changes)
                    _compare_devices(report, f"parity {family} {bits} bit{name}", settings)


def _compare_devices(report: Report, check: str, settings: TrainingConfig) -> None:
    cpu_loss, cpu_gradient = loss_and_gradient(settings, on_cpu=True)
    loss, gradient = loss_and_gradient(settings, on_cpu=not report.on_gpu)
    cosine = torch.nn.functional.cosine_similarity(cpu_gradient, gradient, dim=0).item()
    report.line(
        check,
        abs(loss - cpu_loss) < LOSS * cpu_loss and cosine > COSINE,
        cpu=cpu_loss,
        gpu=loss,
        gradient_cosine=cosine,
        gradient_norms=f"{cpu_gradient.norm():.4g} and {gradient.norm():.4g}",
    )


def loss_and_gradient(settings: TrainingConfig, *, on_cpu: bool) -> tuple[float, torch.Tensor]:
    """Return the loss of the first two rows and its gradient, of one and the same adapter."""
    base = load_model_and_processor(settings, stay_on_cpu=on_cpu)
    device = next(base.model.parameters()).device
    model: Any = lora.add_adapters(base.model, settings)
    _fill_adapters(model)
    enable_gradient_checkpointing(model)
    rows = load_split(settings, images=base.reads_images).train
    batch = Collator(base, settings)([rows[0], rows[1]])
    batch.pop(ROW_IDS)
    inputs = {name: value.to(device) for name, value in batch.items()}
    with torch.autocast(device.type, torch.bfloat16):
        loss = model.train()(**inputs).loss
    loss.backward()
    trained = sorted(model.named_parameters())
    gradients = [p.grad.flatten().float().cpu() for _, p in trained if p.grad is not None]
    return loss.item(), torch.cat(gradients)


def _fill_adapters(model: torch.nn.Module) -> None:
    """Draw the adapters on the CPU, so that they do not depend on the device."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if ".lora_" in name:
            scale = 0.05 if ".lora_B." in name else 0.1
            values = torch.randn(parameter.shape, generator=generator) * scale
            parameter.data.copy_(values)
