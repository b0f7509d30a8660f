"""The features of one page, and the safetensors file that holds them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch
from isal import isal_zlib

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_METADATA = "page"  # one key: safetensors writes several in any order
_POOLED, _DEEPSTACK, _INPUT = "pooled", "deepstack", "input."  # names of tensors


class DamagedEntry(Exception):
    """A file is not a whole entry: it was cut short, or its bytes have changed."""


@dataclass(frozen=True, slots=True)
class PageFeatures:
    """What the model makes of a page, in place of its pixels.

    Attributes:
        pooled: What replaces the image tokens, on the CPU: (tokens, hidden), or
            (views, tokens, hidden) where the model returns its views separately.
        deepstack: (layers, tokens, hidden) for the first layers of the language model; None for
            a model without DeepStack.
        inputs: What else the processor returns, such as `image_grid_thw`, with a row per page;
            tensors of pixels are empty.
        text: What the processor writes in place of the image placeholder.
    """

    pooled: torch.Tensor
    deepstack: torch.Tensor | None
    inputs: Mapping[str, torch.Tensor]
    text: str

    def _tensors(self) -> dict[str, torch.Tensor]:
        tensors = {_POOLED: self.pooled}
        if self.deepstack is not None:
            tensors[_DEEPSTACK] = self.deepstack
        return tensors | {_INPUT + name: value for name, value in self.inputs.items()}


def to_bytes(features: PageFeatures) -> bytes:
    """Return the content of the file of an entry."""
    tensors = {name: value.contiguous() for name, value in features._tensors().items()}
    page = {"crc32": _checksum(tensors, features.text), "text": features.text}
    return safetensors.torch.save(tensors, {_METADATA: json.dumps(page)})


def read(path: Path) -> PageFeatures:
    """Return the entry in a file. Its tensors are memory-mapped, not copied.

    Raises:
        DamagedEntry: the file is not a whole entry.
        OSError: there is no such file, or it cannot be read.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            page = json.loads((file.metadata() or {}).get(_METADATA, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    except (safetensors.SafetensorError, json.JSONDecodeError) as error:
        raise DamagedEntry(path) from error
    if page.get("crc32") != _checksum(tensors, page.get("text", "")):
        raise DamagedEntry(path)
    return PageFeatures(
        pooled=tensors.pop(_POOLED),
        deepstack=tensors.pop(_DEEPSTACK, None),
        inputs={name.removeprefix(_INPUT): value for name, value in tensors.items()},
        text=page["text"],
    )


def _checksum(tensors: Mapping[str, torch.Tensor], text: str) -> str:
    value = isal_zlib.crc32(text.encode())
    for name in sorted(tensors):
        value = isal_zlib.crc32(_bytes_of(tensors[name]), isal_zlib.crc32(name.encode(), value))
    return f"{value:08x}"


def _bytes_of(tensor: torch.Tensor) -> Any:
    return tensor.reshape(-1).view(torch.uint8).numpy()
