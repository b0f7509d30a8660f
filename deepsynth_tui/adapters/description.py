"""What the files of an adapter say about it, read without torch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from deepsynth_tui.adapters.lora_update import PREFIX, LayerUpdate, layer_updates
from deepsynth_tui.adapters.weights_file import WeightsFile, open_weights
from deepsynth_tui.config.model import INITS_THAT_KEEP_BASE_WEIGHTS
from deepsynth_tui.errors import UserError
from deepsynth_tui.models.towers import TOWERS, Tower
from deepsynth_tui.training.result.file_names import ADAPTER_WEIGHTS, LINEAGE, PEFT_CONFIG
from deepsynth_tui.training.stored_adapter import StoredAdapter

LORA = "LORA"


@dataclass(frozen=True)
class Adapter:
    """An adapter with what `adapter_config.json` and `deepsynth.json` say.

    `lineage` is empty for an adapter of another program.
    """

    stored: StoredAdapter
    peft: Mapping[str, Any]
    lineage: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the user calls it."""
        return self.stored.name

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.stored.folder

    @property
    def base(self) -> str:
        """The base model, as its run or PEFT names it."""
        if self.lineage:
            return self.lineage["base"]["name"]
        return str(self.peft.get("base_model_name_or_path"))

    @property
    def base_commit(self) -> str | None:
        """The Hub commit of the base model, None for a folder or where nothing recorded it."""
        if self.lineage:
            return self.lineage["base"]["commit"]
        return self.peft.get("revision")

    @property
    def is_lora(self) -> bool:
        """Whether it is a LoRA, which is what norms and ranks are computed of."""
        return self.peft.get("peft_type") == LORA

    @property
    def reads_text_encoder(self) -> bool:
        """Whether its instructions go through a text encoder."""
        return bool(self.lineage.get("text_encoder")) or self.stored.encoder_folder is not None

    @property
    def quantization(self) -> Mapping[str, Any]:
        """The `quantization:` it was trained with, empty for none or unknown."""
        settings = self.lineage["config"]["quantization"] if self.lineage else {}
        return settings if settings.get("enabled") else {}

    @property
    def changes_base_weights(self) -> bool:
        """Whether loading it changes the base model beyond what PEFT can switch off."""
        init = self.peft.get("init_lora_weights", True)
        kept = init in (*INITS_THAT_KEEP_BASE_WEIGHTS, False, "orthogonal")
        return self.peft.get("bias", "none") != "none" or not kept

    @cached_property
    def weights(self) -> WeightsFile:
        """The header of its weights. Raises as `open_weights`."""
        return open_weights(self.folder / ADAPTER_WEIGHTS)

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    @property
    def created(self) -> float:
        """When its weights were written, in seconds since the epoch."""
        return (self.folder / ADAPTER_WEIGHTS).stat().st_mtime

    def updates(self) -> tuple[LayerUpdate, ...]:
        """Return the update of each module; empty for another kind than LoRA.

        Raises as `layer_updates`.
        """
        return tuple(layer_updates(self.weights, self.peft)) if self.is_lora else ()

    def saved_modules(self) -> Mapping[str, int]:
        """Return the parameters of each tensor that replaces one of the base: name to count."""
        return {
            name.removeprefix(PREFIX): tensor.numel
            for name, tensor in self.weights.tensors.items()
            if ".lora_" not in name
        }


def read_adapter(stored: StoredAdapter) -> Adapter:
    """Read the descriptions of an adapter.

    Raises:
        UserError: a file is damaged.
    """
    peft = _read_object(stored.folder / PEFT_CONFIG)
    if "peft_type" not in peft or not isinstance(peft.get("r", 1), int):
        raise UserError(
            f"{stored.folder / PEFT_CONFIG} is no configuration of a PEFT adapter",
            "Copy or download the adapter again.",
        )
    lineage = stored.folder / LINEAGE
    described = _read_object(lineage) if lineage.is_file() else {}
    missing = [key for key in ("base", "config", "dataset") if described and key not in described]
    if missing:
        raise UserError(
            f"{lineage} has no {', '.join(missing)}",
            "Copy the adapter again, or delete this file: the adapter works without it.",
        )
    return Adapter(stored, peft, described)


def _read_object(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read: {error}", "Copy or download the adapter again."
        ) from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object", "Copy or download the adapter again.")
    return content


def towers(updates: tuple[LayerUpdate, ...]) -> Mapping[Tower, int]:
    """Count the adapted modules of each tower; towers without any are left out."""
    counts = Counter(update.tower for update in updates)
    return {tower: counts[tower] for tower in TOWERS if tower in counts}


def remarks(adapter: Adapter, updates: tuple[LayerUpdate, ...]) -> Iterator[str]:
    """Yield what is noteworthy: unused rank, a zero update, what the figures leave out."""
    if not adapter.is_lora:
        yield f"This is a {adapter.peft['peft_type']} adapter: norms and ranks are those of LoRA."
        return
    if not updates:
        yield "No LoRA weights are in the file."
        return
    zero = sum(update.norm == 0 for update in updates)
    if zero == len(updates):
        yield "Every update is zero: the adapter changes nothing."
    elif zero:
        yield f"{zero} of {len(updates)} updates are zero."
    largest = max(updates, key=lambda update: update.rank_used / update.r)
    if largest.rank_used and largest.rank_used <= largest.r / 2:
        yield (
            f"No module uses more than {largest.rank_used} of its rank of {largest.r} "
            f"(99 % of the squared norm): lora.r {largest.rank_used} would hold the same update."
        )
    if adapter.peft.get("use_dora"):
        yield (
            "Norms and ranks are of DoRA's direction B A; its magnitudes depend on the weights of "
            "the base model."
        )
    if adapter.changes_base_weights:
        yield (
            "Loading it changes base weights (bias, or an initialization that subtracts from them),"
            " which norms and ranks leave out."
        )
