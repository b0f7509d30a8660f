"""The tensors of a safetensors file, read without torch.

numpy has no bfloat16, so `safetensors.numpy` refuses the files that PEFT writes for a model in it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from deepsynth_tui.errors import UserError

_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """Where a tensor is in the file: `start` and `end` are offsets in bytes."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def numel(self) -> int:
        """Number of its elements."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A safetensors file and what its header says; values are read on access."""

    path: Path
    tensors: dict[str, StoredTensor]

    def read(self, name: str) -> np.ndarray:
        """Return a tensor as float32, or as float64 if it is stored so."""
        tensor = self.tensors[name]
        stored = np.memmap(
            self.path,
            dtype=_DTYPES[tensor.dtype],
            mode="r",
            offset=tensor.start,
            shape=tensor.shape,
        )
        if tensor.dtype == "BF16":  # the upper half of a float32
            return (stored.astype(np.uint32) << 16).view(np.float32)
        return np.asarray(stored, dtype=np.float64 if tensor.dtype == "F64" else np.float32)


def open_weights(path: Path) -> WeightsFile:
    """Read the header of a safetensors file.

    Raises:
        UserError: it is damaged or truncated, or holds tensors that are not floating-point.
        OSError: it cannot be read.
    """
    try:
        with safe_open(path, "np"):  # compares the header with the length of the file
            pass
    except SafetensorError as error:
        raise UserError(
            f"{path} is damaged or truncated ({error})",
            "Copy or download the adapter again.",
        ) from error
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] not in _DTYPES:
            raise UserError(
                f"{path}: {name} is stored as {entry['dtype']}, which is no weight of an adapter",
                "Choose an adapter with float32, float16 or bfloat16 weights.",
            )
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = StoredTensor(entry["dtype"], tuple(entry["shape"]), start, end)
    return WeightsFile(path, tensors)
