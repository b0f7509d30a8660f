"""The GPUs that estimates are made for: `presets/gpus.yaml`, or the user's own copy of it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.locations import home
from deepsynth_tui.config.presets import presets_dir
from deepsynth_tui.errors import UserError
from deepsynth_tui.units import GIB

# With less of the memory free than this, the fit is "tight": fragmentation or one long batch can
# use it up.
TIGHT_FRACTION = 0.10


class CatalogueError(UserError):
    """The GPU catalogue is not valid. The message names the file and the entry."""


class Fit(StrEnum):
    """Whether a run fits a GPU."""

    FITS = "fits"
    TIGHT = "tight"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU model. `presets/gpus.yaml` explains the fields and their units."""

    name: str
    memory_gib: float
    usable_gib: float
    bandwidth_gbs: float
    tflops: float
    bfloat16: bool
    price_per_hour: float | None
    price_source: str | None
    skypilot: str | None = None

    @property
    def usable_bytes(self) -> int:
        """Bytes that CUDA reports as the total memory."""
        return int(self.usable_gib * GIB)

    def fit(self, needed: int) -> Fit:
        """Whether a run that needs `needed` bytes fits the empty GPU."""
        return classify_fit(self.usable_bytes, needed)


def classify_fit(available: int, needed: int) -> Fit:
    """Whether a run that needs `needed` bytes fits into `available` bytes."""
    if needed > available:
        return Fit.NO
    return Fit.FITS if needed <= (1 - TIGHT_FRACTION) * available else Fit.TIGHT


def catalogue_path() -> Path:
    """The catalogue in use: ``gpus.yaml`` in the data folder if it exists, else the preset."""
    own = home() / "gpus.yaml"
    return own if own.is_file() else presets_dir() / "gpus.yaml"


def load_catalogue() -> tuple[Gpu, ...]:
    """Return the GPUs of the catalogue in use, in file order. Cached until the file changes.

    Raises:
        CatalogueError: the file is not a valid catalogue.
    """
    path = catalogue_path()
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _read(path: Path, mtime_ns: int) -> tuple[Gpu, ...]:
    """Read a catalogue. `mtime_ns` is part of the cache key only."""
    try:
        entries = yaml_text.parse(path.read_text(encoding="utf-8")).values["gpus"]
        gpus = tuple(Gpu(**entry) for entry in entries)
    except (yaml_text.YamlSyntaxError, UnicodeDecodeError, TypeError, KeyError) as error:
        keys = ", ".join(field.name for field in fields(Gpu))
        raise CatalogueError(
            f"{path} is not a GPU catalogue: {error}.",
            f"It needs a list `gpus:` whose entries have the keys {keys}.",
        ) from error
    for gpu in gpus:
        if not 0 < gpu.usable_gib <= gpu.memory_gib or min(gpu.bandwidth_gbs, gpu.tflops) <= 0:
            raise CatalogueError(
                f"{path}: {gpu.name} has values out of range.",
                "It must have 0 < usable_gib <= memory_gib, and bandwidth_gbs and tflops above 0.",
            )
    return gpus
