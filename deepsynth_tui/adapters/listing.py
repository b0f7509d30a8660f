"""Which adapters lie on this machine, read from their own files; needs no library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.runs.directory import scan
from deepsynth_tui.training.text_encoder import ENCODER_FOLDER as TEXT_ENCODER

PEFT_CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
LINEAGE = "deepsynth.json"


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter folder. `base` is what it belongs on; `created` (ISO 8601) and `last_loss` are
    None for an adapter that another program made."""

    path: Path
    name: str
    base: str
    r: int
    size_bytes: int
    created: str | None = None
    last_loss: float | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A folder that looks like an adapter but cannot be used, and why."""

    path: Path
    reason: str


def adapters_of_runs(home: Path) -> list[Adapter | Unreadable]:
    """Adapters of this machine's runs, those of the newest run first."""
    folders = (run.adapter for run in scan(home))
    return [read(folder) for folder in folders if (folder / PEFT_CONFIG).is_file()]


def adapters_below(folder: Path) -> list[Adapter | Unreadable]:
    """Adapters in `folder`: itself, or folders anywhere below it, checkpoints included.

    Those of a text encoder belong to the adapter they lie in.
    """
    found = (config.parent for config in sorted(folder.rglob(PEFT_CONFIG)))
    return [read(adapter) for adapter in found if adapter.parent.name != TEXT_ENCODER]


def read(folder: Path) -> Adapter | Unreadable:
    """Read one adapter folder, as PEFT and this program write it."""
    try:
        peft = _json(folder / PEFT_CONFIG)
        lineage = _json(folder / LINEAGE) if (folder / LINEAGE).is_file() else {}
        size = (folder / WEIGHTS).stat().st_size
        return Adapter(
            path=folder,
            name=lineage.get("config", {}).get("name") or folder.name,
            base=lineage.get("base", {}).get("name") or peft["base_model_name_or_path"],
            r=peft["r"],
            size_bytes=size,
            created=lineage.get("created"),
            last_loss=lineage.get("metrics", {}).get("last_loss"),
        )
    except KeyError as error:
        return Unreadable(folder, f"{PEFT_CONFIG} does not say {error}: no LoRA adapter")
    except (OSError, ValueError) as error:
        return Unreadable(folder, str(error))


def usable(found: list[Adapter | Unreadable]) -> Iterator[Adapter]:
    """The adapters among what was found."""
    return (one for one in found if isinstance(one, Adapter))


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
