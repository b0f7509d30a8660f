"""Which GPU of the catalogue a device of this machine is."""

from __future__ import annotations

import re
from collections.abc import Iterable

from deepsynth_tui.machine.gpu_catalogue import Gpu

# What the driver calls a chip of another speed than the one without the word.
_VARIANTS = frozenset({"ti", "super", "laptop", "max", "mobile", "d", "mig", "nvl"})
# Usable memory differs between drivers and boards by less than this.
_SAME_MEMORY = 0.12


def match_gpu(name: str, total: int, gpus: Iterable[Gpu]) -> Gpu | None:
    """The entry for the device that the driver calls `name`, with `total` bytes; None without one.

    All words of the entry's name must be among the driver's, no variant's word beside them, and
    the memory the same: "NVIDIA A100-SXM4-80GB" is "A100 (80GB)", an RTX 3060 Ti no RTX 3060.
    """
    words = _words(name)
    for gpu in gpus:
        wanted = _words(gpu.name.partition("(")[0])
        alike = wanted <= words and not (words - wanted) & _VARIANTS
        if alike and abs(total / gpu.usable_bytes - 1) < _SAME_MEMORY:
            return gpu
    return None


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", name.lower()))
