"""The GPUs of the fit matrix: `presets/gpus.yaml`, or the copy a person keeps."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

import yaml

from deepsynth_tui.config.locations import home
from deepsynth_tui.config.presets import presets_dir
from deepsynth_tui.units import GIB

# Less headroom than this is "tight": fragmentation and an unlucky batch can use it up.
TIGHT_FRACTION = 0.10


class CatalogueError(ValueError):
    """A GPU catalogue that cannot be used. Names the file and what is wrong in it."""


class Fit(StrEnum):
    """Whether a run fits a GPU."""

    FITS = "fits"
    TIGHT = "tight"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Gpu:
    """One kind of GPU. Fields and units are explained in `presets/gpus.yaml`."""

    name: str
    memory_gib: float
    usable_gib: float
    bandwidth_gbs: float
    tflops: float
    bfloat16: bool
    price_per_hour: float | None
    price_source: str | None

    @property
    def usable_bytes(self) -> int:
        """Bytes that a program can have of it."""
        return int(self.usable_gib * GIB)

    def fit(self, needed: int) -> Fit:
        """Whether `needed` bytes fit."""
        return classify_fit(self.usable_bytes, needed)


def classify_fit(room: int, needed: int) -> Fit:
    """Whether `needed` bytes fit `room` bytes."""
    if needed > room:
        return Fit.NO
    return Fit.FITS if needed <= (1 - TIGHT_FRACTION) * room else Fit.TIGHT


def catalogue_path() -> Path:
    """The catalogue in use: ``gpus.yaml`` in the data folder if there is one, else the shipped."""
    own = home() / "gpus.yaml"
    return own if own.is_file() else presets_dir() / "gpus.yaml"


def load_catalogue() -> tuple[Gpu, ...]:
    """Every GPU of the catalogue in use, in its order; read again only after it was changed.

    Raises CatalogueError if it cannot be used.
    """
    path = catalogue_path()
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _read(path: Path, written: int) -> tuple[Gpu, ...]:
    """Read a catalogue. `written` keys the cache to the file's time of change."""
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))["gpus"]
        gpus = tuple(Gpu(**entry) for entry in entries)
    except (yaml.YAMLError, TypeError, KeyError) as error:
        expected = ", ".join(field.name for field in fields(Gpu))
        raise CatalogueError(
            f"{path}: {error}. It needs a list `gpus:` whose entries have: {expected}"
        ) from error
    for gpu in gpus:
        if not 0 < gpu.usable_gib <= gpu.memory_gib or min(gpu.bandwidth_gbs, gpu.tflops) <= 0:
            raise CatalogueError(
                f"{path}: {gpu.name}: needs 0 < usable_gib <= memory_gib, and bandwidth_gbs and "
                "tflops above 0"
            )
    return gpus
