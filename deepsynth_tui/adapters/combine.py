"""Combine adapters of one base into a new one, through PEFT's `add_weighted_adapter`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.adapters.loaded import LoadedAdapters, collator_of, group_adapters
from deepsynth_tui.adapters.output_folder import check_new_folder
from deepsynth_tui.adapters.settings import answer_config
from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.atomic import atomic_folder
from deepsynth_tui.training.result.adapter_keys import make_loadable
from deepsynth_tui.training.result.file_names import LINEAGE

COMBINED = "default"  # PEFT writes the adapter of this name into the folder itself
SAME_RANK = ("linear", "ties", "dare_linear", "dare_ties")
PRUNING = ("ties", "dare_linear", "dare_ties")
SEED = 0  # of the weights that DARE drops


def combine(
    adapters: Sequence[Adapter],
    weights: Sequence[float],
    method: str,
    output: Path,
    *,
    rank: int | None,
    density: float,
) -> dict[str, Any]:
    """Write the weighted combination of adapters into `output`; return its rank and its parts.

    `rank` is that of `svd`, by default the largest of the adapters. `density` is the share of
    weights that TIES and DARE keep.

    Raises:
        UserError: the adapters cannot be combined in this way, or `output` is not empty.
        OSError: the base model is missing, or the disk is full.
    """
    check_new_folder(output)
    _check_combinable(adapters, weights, method)
    loaded = LoadedAdapters(adapters)
    names = loaded.load_all()
    model = loaded.peft_model
    assert isinstance(model, PeftModel)
    options: dict[str, Any] = {"combination_type": method}
    if method == "svd" and rank is not None:
        options["svd_rank"] = rank
    if method in PRUNING:
        options["density"] = density
    torch.manual_seed(SEED)
    try:
        model.add_weighted_adapter(names, list(weights), COMBINED, **options)
    except ValueError as error:
        raise UserError(f"PEFT cannot combine these adapters: {error}", "Try --method cat") from (
            error
        )
    combined: Any = model.peft_config[COMBINED]
    with atomic_folder(output) as draft:
        model.save_pretrained(str(draft), selected_adapters=[COMBINED], save_embedding_layers=False)
        make_loadable(model, draft)
        collator_of(answer_config(adapters[0])).processor.save_pretrained(str(draft))
        parts = _parts(adapters, weights)
        if lineage := _lineage(adapters, parts, method, combined.r):
            text = json.dumps(lineage, indent=2, ensure_ascii=False) + "\n"
            (draft / LINEAGE).write_text(text, encoding="utf-8")
    described = [{key: value for key, value in part.items() if key != "lineage"} for part in parts]
    return {"path": str(output), "method": method, "r": combined.r, "adapters": described}


def _check_combinable(adapters: Sequence[Adapter], weights: Sequence[float], method: str) -> None:
    if len(adapters) < 2:
        raise UserError("One adapter cannot be combined", "Name two or more")
    if len(weights) != len(adapters):
        raise UserError(
            f"{len(weights)} weights for {len(adapters)} adapters", "Give one weight for each"
        )
    if len(group_adapters(adapters)) > 1:
        bases = ", ".join(f"{adapter.name}: {adapter.base}" for adapter in adapters)
        raise UserError(
            f"These adapters are not of the same base model with the same settings ({bases})",
            "Combine adapters of one base model, commit, dtype and quantization",
        )
    for adapter in adapters:
        if reason := _obstacle(adapter):
            raise UserError(
                f"{adapter.name} {reason}, which no weighted sum of factors holds",
                "Merge it into the base model instead: `adapters merge`",
            )
    ranks = {adapter.peft["r"] for adapter in adapters}
    if method in SAME_RANK and len(ranks) > 1:
        raise UserError(
            f"{method} needs adapters of the same rank, and these have "
            f"{', '.join(map(str, sorted(ranks)))}",
            "Use --method svd or cat",
        )


def _obstacle(adapter: Adapter) -> str | None:
    if not adapter.is_lora:
        return f"is a {adapter.peft['peft_type']} adapter"
    if adapter.reads_text_encoder:
        return "has a text encoder"
    if adapter.peft.get("use_dora"):
        return "is a DoRA with magnitudes"
    if adapter.saved_modules():
        return f"replaces {next(iter(adapter.saved_modules()))}"
    if adapter.peft.get("target_parameters"):
        return "adapts fused experts"
    if adapter.changes_base_weights:
        return "changes base weights"
    return None


def _parts(adapters: Sequence[Adapter], weights: Sequence[float]) -> list[dict[str, Any]]:
    return [
        {
            "name": adapter.name,
            "path": str(adapter.folder),
            "sha256": adapter.stored.weights_hash,
            "weight": weight,
            "lineage": dict(adapter.lineage),
        }
        for adapter, weight in zip(adapters, weights, strict=True)
    ]


def _lineage(
    adapters: Sequence[Adapter], parts: list[dict[str, Any]], method: str, r: int
) -> dict[str, Any]:
    """Return the `deepsynth.json`; empty if the first adapter has none.

    Settings are those of the first adapter. Scores are of the parts, and stay with them.
    """
    first = adapters[0].lineage
    if not first:
        return {}
    config = {**first["config"], "name": " + ".join(Path(part["name"]).name for part in parts)}
    config["lora"] = {**config["lora"], "r": r}
    return {
        **{key: value for key, value in first.items() if key not in ("created", "init_from")},
        "config": config,
        "metrics": {},
        "combined": {"method": method, "parts": parts},
    }
