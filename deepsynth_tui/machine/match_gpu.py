"""Find the catalogue entry of a GPU of this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable

from deepsynth_tui.machine.gpu_catalogue import Gpu

# Words in the driver's name that mean a chip of another speed than the same name without them.
_VARIANTS = frozenset({"ti", "super", "laptop", "max", "mobile", "d", "mig", "nvl"})
# Usable memory of a GPU model differs between drivers and boards by less than this fraction.
_MEMORY_TOLERANCE = 0.12


def match_gpu(name: str, total: int, gpus: Iterable[Gpu]) -> Gpu | None:
    """Return the entry of the GPU that the driver calls `name`, with `total` bytes, or None.

    The driver's name must contain all words of the entry's name and no word of a variant beside
    them, and the memory must agree: "NVIDIA A100-SXM4-80GB" is "A100 (80GB)"; an RTX 3060 Ti is not
    an RTX 3060.
    """
    words = _words(name)
    for gpu in gpus:
        entry_words = _words(gpu.name.partition("(")[0])
        same_name = entry_words <= words and not (words - entry_words) & _VARIANTS
        if same_name and abs(total / gpu.usable_bytes - 1) < _MEMORY_TOLERANCE:
            return gpu
    return None


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", name.lower()))
