"""Which adapters have a strength, and an adapter written at another one. Imports no torch."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.adapters.output_folder import check_new_folder
from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.atomic import atomic_folder
from deepsynth_tui.training.result.file_names import LINEAGE, PEFT_CONFIG

MAX_STRENGTH = 10.0
CARD = "README.md"


def check_strengths(values: Sequence[float]) -> list[float]:
    """Return the strengths in ascending order, with 0, which the others are compared with.

    Raises UserError if one is no strength.
    """
    for value in values:
        if not (math.isfinite(value) and 0 <= value <= MAX_STRENGTH):
            raise UserError(
                f"{value:g} is no strength of an adapter", f"Use numbers from 0 to {MAX_STRENGTH:g}"
            )
    return sorted({0.0, *values})


def check_scalable(adapter: Adapter) -> None:
    """Raise UserError if a scale does not reach all that the adapter changes in its base."""
    if reason := _obstacle(adapter):
        raise UserError(
            f"{adapter.name} has no strength that can be dialled: it {reason}",
            "Compare it with its base instead: `adapters exam --base`",
        )


def scale_notes(adapter: Adapter) -> list[str]:
    """Return what of the adapter stays as it is at every strength above 0."""
    notes = []
    if replaced := sorted(adapter.saved_modules()):
        more = f" and {len(replaced) - 1} more" if replaced[1:] else ""
        notes.append(
            f"{replaced[0]}{more} of the adapter replaces that of the base whole at every strength "
            "above 0"
        )
    if adapter.peft.get("use_dora"):
        notes.append(
            "a DoRA keeps its magnitudes at every strength above 0, so small strengths do not come "
            "close to the base"
        )
    return notes


def scaled_peft_config(peft: Mapping[str, Any], strength: float) -> dict[str, Any]:
    """Return the `adapter_config.json` whose scale is `strength` times that of `peft`.

    The scale is alpha / r, or alpha / sqrt(r) with rsLoRA, so that alpha is multiplied in both.
    """
    return {
        **peft,
        "lora_alpha": peft["lora_alpha"] * strength,
        "alpha_pattern": {
            name: alpha * strength for name, alpha in (peft.get("alpha_pattern") or {}).items()
        },
    }


def export_scaled(adapter: Adapter, output: Path, strength: float) -> dict[str, Any]:
    """Write an adapter at another strength into a new folder; return where, and notes, as JSON.

    Plain PEFT computes with it what the adapter computes at that strength.

    Raises:
        UserError: the adapter has no strength that can be dialled, or the folder is not new.
        OSError: a file cannot be written.
    """
    check_scalable(adapter)
    check_new_folder(output)
    with atomic_folder(output) as draft:
        _write_scaled(adapter, draft, strength)
    return {"path": str(output), "strength": strength, "notes": scale_notes(adapter)}


def _write_scaled(adapter: Adapter, draft: Path, strength: float) -> None:
    # Scores of the adapter are those of strength 1, so the lineage has none.
    ignored = shutil.ignore_patterns(".*", "checkpoint-*", "optimizer.pt", "*.bin")
    shutil.copytree(adapter.folder, draft, dirs_exist_ok=True, ignore=ignored)
    _write_json(draft / PEFT_CONFIG, scaled_peft_config(adapter.peft, strength))
    source = {"value": strength, "adapter": adapter.name, "sha256": adapter.stored.weights_hash}
    if adapter.lineage:
        _write_json(draft / LINEAGE, {**adapter.lineage, "metrics": {}, "strength": source})
    card = draft / CARD
    before = card.read_text(encoding="utf-8").rstrip() if card.is_file() else ""
    section = (
        f"## Strength\n\nThe adapter `{adapter.name}` at strength {strength:g}: `lora_alpha` is "
        "multiplied by it. Scores above are those of strength 1.\n"
    )
    card.write_text(f"{before}\n\n{section}".lstrip(), encoding="utf-8")


def _obstacle(adapter: Adapter) -> str | None:
    if not adapter.is_lora:
        return f"is a {adapter.peft['peft_type']} adapter, which has no scale"
    if adapter.reads_text_encoder:
        return "comes with a text encoder, which a scale does not reach"
    if adapter.changes_base_weights:
        return "changes base weights (bias or init_lora_weights), which a scale does not reach"
    return None


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(dict(content), indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
