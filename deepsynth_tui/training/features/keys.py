"""What page features depend on: the page, and everything that turns it into features."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from deepsynth_tui.conversations.page_image import stored_size
from deepsynth_tui.training.modeling.lora import tower_of_parameter

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.conversations.conversation import StoredImage
    from deepsynth_tui.training.modeling.load import LoadedModel

FORMAT = 1
"""To be raised when the content of an entry changes."""
LIBRARIES = ("torch", "transformers", "pillow")
"""Packages that decode, resize and encode a page."""
_DIGEST_BYTES = 16


def page_key(stored: StoredImage) -> str:
    """Return the hash of the file of a page.

    Raises:
        ImageError: there is no such file, or it cannot be read.
    """
    content = stored.get("bytes")
    if content is None:
        try:
            content = Path(str(stored.get("path"))).read_bytes()
        except OSError:
            stored_size(stored)  # raises the error of a page that cannot be read
            raise
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()


def model_key(base: LoadedModel, config: TrainingConfig) -> str:
    """Return the hash of the model, its processor, and the dtypes and libraries it computes with.

    Weights of a Hub repository are identified by its commit, those of a folder by their bytes.
    """
    before = base.pixel_limits.before_processor(config).model
    training = config.training
    processor: Any = base.processor  # a tokenizer for a text-only model, which has no features
    parts: dict[str, Any] = {
        "format": FORMAT,
        "model": f"{base.name}@{base.commit}" if base.commit else weights_hash(base.model),
        "class": type(base.model).__name__,
        "processor": [type(processor).__name__, processor.to_json_string()],
        "resized_before": [before.min_pixels, before.max_pixels],
        "dtype": config.model.dtype,
        "autocast": "bfloat16" if training.bf16 else "float16" if training.fp16 else "",
        "attention": config.model.attn_implementation,
        "quantization": config.quantization.model_dump(mode="json")
        if config.quantization.enabled
        else None,
        "libraries": {name: version(name) for name in LIBRARIES},
        "device": _device_name(base.model),
    }
    text = json.dumps(parts, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()


def weights_hash(model: torch.nn.Module) -> str:
    """Return the hash of all weights and buffers that turn pixels into features."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tower_of_parameter(name) not in ("language", "head"):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            content = tensor.detach().contiguous().reshape(-1).view(torch.uint8).cpu()
            digest.update(memoryview(content.numpy()))
    return digest.hexdigest()


def _device_name(model: torch.nn.Module) -> str:
    device = next(model.parameters()).device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
