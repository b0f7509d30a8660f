"""The description of an adapter as text, with the norm of its update per layer as a chart."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepsynth_tui.adapters.description import Adapter, remarks, towers
from deepsynth_tui.adapters.find import ListedAdapter
from deepsynth_tui.adapters.lora_update import LayerUpdate
from deepsynth_tui.units import format_bytes, format_count

BAR_WIDTH = 32
_EIGHTHS = " ▏▎▍▌▋▊▉"
_LAYER = re.compile(r"(?P<stack>.*?)\.(?P<number>\d+)(?:\.|$)")


def list_line(listed: ListedAdapter) -> str:
    """Return the line of an adapter in the list."""
    if listed.adapter is None:
        return f"{listed.name:<40} unusable: {listed.problem} ({listed.folder})"
    adapter = listed.adapter
    rank = f"r {adapter.peft.get('r')}" if adapter.is_lora else str(adapter.peft["peft_type"])
    return f"{listed.name:<40} {rank:<6} {format_bytes(adapter.size):>9}  {adapter.base}"


def list_entry(listed: ListedAdapter) -> dict[str, Any]:
    """Return the entry of an adapter in the list as JSON values."""
    entry: dict[str, Any] = {
        "name": listed.name,
        "path": str(listed.folder),
        "problem": listed.problem or None,
    }
    if (adapter := listed.adapter) is not None:
        entry |= {
            "base": adapter.base,
            "base_commit": adapter.base_commit,
            "peft_type": adapter.peft["peft_type"],
            "r": adapter.peft.get("r"),
            "bytes": adapter.size,
            "created": adapter.created,
        }
    return entry


def description_json(adapter: Adapter, updates: tuple[LayerUpdate, ...]) -> dict[str, Any]:
    """Return everything `show` knows as JSON values."""
    dataset = adapter.lineage.get("dataset", {})
    return {
        "name": adapter.name,
        "path": str(adapter.folder),
        "hub_commit": adapter.stored.commit,
        "base": adapter.base,
        "base_commit": adapter.base_commit,
        "quantization": dict(adapter.quantization) or None,
        "peft_type": adapter.peft["peft_type"],
        "r": adapter.peft.get("r"),
        "lora_alpha": adapter.peft.get("lora_alpha"),
        "use_dora": adapter.peft.get("use_dora", False),
        "use_rslora": adapter.peft.get("use_rslora", False),
        "rank_pattern": adapter.peft.get("rank_pattern") or {},
        "alpha_pattern": adapter.peft.get("alpha_pattern") or {},
        "modules_to_save": adapter.peft.get("modules_to_save") or [],
        "saved_modules": dict(adapter.saved_modules()),
        "text_encoder": adapter.lineage.get("text_encoder"),
        "parameters": sum(tensor.numel for tensor in adapter.weights.tensors.values()),
        "bytes": adapter.size,
        "weights_sha256": adapter.stored.weights_hash,
        "created": adapter.lineage.get("created"),
        "init_from": adapter.lineage.get("init_from"),
        "extensions": adapter.lineage.get("extensions", []),
        "dataset": {
            name: dataset.get(name)
            for name in ("path", "fingerprint", "train_rows", "held_out_rows")
        },
        "metrics": adapter.lineage.get("metrics", {}),
        "libraries": adapter.lineage.get("libraries", {}),
        "towers": dict(towers(updates)),
        "layers": [update.to_json() for update in updates],
        "remarks": list(remarks(adapter, updates)),
    }


def description_lines(adapter: Adapter, updates: tuple[LayerUpdate, ...]) -> Iterator[str]:
    """Yield the lines of `show`: facts, the chart, remarks."""
    known = facts(adapter, updates)
    width = max(map(len, known)) + 2
    for label, value in known.items():
        yield f"{label:<{width}}{value}"
    if updates:
        yield ""
        yield from chart(updates)
    for remark in remarks(adapter, updates):
        yield ""
        yield remark


def facts(adapter: Adapter, updates: tuple[LayerUpdate, ...]) -> dict[str, str]:
    """Return the facts that are known, by their label."""
    revision = f" at {adapter.base_commit}" if adapter.base_commit else ""
    parameters = sum(tensor.numel for tensor in adapter.weights.tensors.values())
    dataset = adapter.lineage.get("dataset", {})
    values = {
        "Adapter": str(adapter.folder),
        "Base": f"{adapter.base}{revision}{_quantization(adapter.quantization)}",
        "Kind": _kind(adapter.peft),
        "Targets": ", ".join(f"{tower} {count}" for tower, count in towers(updates).items()),
        "Replaces": ", ".join(
            f"{name} ({format_count(count)})" for name, count in adapter.saved_modules().items()
        ),
        "Size": f"{format_count(parameters)} parameters, {format_bytes(adapter.size)} with all "
        "its files",
        "Text encoder": (adapter.lineage.get("text_encoder") or {}).get("name", ""),
        "Created": adapter.lineage.get("created", ""),
        "Started from": (adapter.lineage.get("init_from") or {}).get("name", ""),
        "Dataset": _dataset(dataset) if dataset else "unknown: no deepsynth.json",
        "Scores": ", ".join(
            f"{name} {_figure(value)}"
            for name, value in adapter.lineage.get("metrics", {}).items()
            if name.startswith("eval_") and isinstance(value, int | float)
        ),
    }
    return {label: value for label, value in values.items() if value}


def _quantization(settings: Mapping[str, Any]) -> str:
    return f", quantized to {settings['bits']} bits in training" if settings else ""


def _kind(peft: Mapping[str, Any]) -> str:
    if "r" not in peft:
        return str(peft["peft_type"])
    variant = "rsLoRA" if peft.get("use_rslora") else "LoRA"
    variant = f"DoRA, {variant}" if peft.get("use_dora") else variant
    patterns = "".join(
        f", {name} {json.dumps(peft[name])}"
        for name in ("rank_pattern", "alpha_pattern")
        if peft.get(name)
    )
    return f"{variant}, rank {peft['r']}, alpha {peft.get('lora_alpha')}{patterns}"


def _dataset(dataset: Mapping[str, Any]) -> str:
    fingerprint, trained, held_out = (
        dataset.get(name) for name in ("fingerprint", "train_rows", "held_out_rows")
    )
    known = [str(dataset["path"])]
    known += [] if fingerprint is None else [f"fingerprint {fingerprint}"]
    known += [] if trained is None else [f"{trained} rows trained on"]
    known += [] if held_out is None else [f"{held_out} held out"]
    return ", ".join(known)


def _figure(value: float) -> str:
    return f"{value:.4g}"


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """The norm of the update of a layer, and what its modules use of their rank, as text."""

    label: str
    norm: float
    used: str
    rank: str


def layer_norms(updates: Sequence[LayerUpdate]) -> list[LayerNorm]:
    """Return the layers in the order of the file."""
    layers: dict[str, list[LayerUpdate]] = {}
    for update in updates:
        layers.setdefault(layer_of(update.module), []).append(update)
    norms = []
    for layer, group in layers.items():
        used = [update.rank_used for update in group]
        norms.append(
            LayerNorm(
                label=f"{group[0].tower} {_short(layer)}",
                norm=math.sqrt(sum(update.norm**2 for update in group)),
                used=f"{min(used)}-{max(used)}" if min(used) != max(used) else str(used[0]),
                rank="/".join(map(str, sorted({update.r for update in group}))),
            )
        )
    return norms


def chart(updates: Sequence[LayerUpdate]) -> Iterator[str]:
    """Yield one bar per layer: the norm of its update, and the rank that its modules use."""
    layers = layer_norms(updates)
    largest = max(layer.norm for layer in layers)
    width = max(len(layer.label) for layer in layers)
    yield f"{'layer':<{width}}  {'norm of the update':<{BAR_WIDTH + 11}}rank used"
    for layer in layers:
        bar = _bar(layer.norm / largest if largest else 0.0)
        yield f"{layer.label:<{width}}  {bar} {layer.norm:>9.4g} {layer.used} of {layer.rank}"


def layer_of(module: str) -> str:
    """Return the layer that a module is in: its name up to the first number, or all of it."""
    match = _LAYER.match(module)
    return f"{match['stack']}.{match['number']}" if match else module


def _short(layer: str) -> str:
    return layer.rpartition(".")[2]


def _bar(share: float) -> str:
    """Return a bar of `BAR_WIDTH` cells, filled up to `share` of it."""
    full, rest = divmod(round(share * BAR_WIDTH * 8), 8)
    return f"{'█' * full}{_EIGHTHS[rest] if rest else ''}".ljust(BAR_WIDTH)
