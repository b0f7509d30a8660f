"""What a merged model says about itself: lineage and model card, with the measured drift."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCard, ModelCardData

from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.training.result.model_card import model_card

if TYPE_CHECKING:
    from deepsynth_tui.adapters.merge.drift import Drift

HEADING = "## Merge"


def merged_lineage(adapter: Adapter, verdict: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Return the `deepsynth.json` of the merged model; empty if the adapter's lacks what it needs.

    The scores of the adapter are not those of the merged model: they move to `merge`.
    """
    if "usage" not in adapter.lineage:
        return {}
    lineage = dict(adapter.lineage)
    config = dict(lineage["config"])
    for section in ("lora", "quantization"):
        config[section] = {**config[section], "enabled": False}
    return {
        **lineage,
        "config": config,
        "usage": {**lineage["usage"], "location": str(output)},
        "metrics": {},
        "merge": {
            **{name: value for name, value in verdict.items() if name != "path"},
            "adapter": str(adapter.folder),
            "adapter_sha256": adapter.stored.weights_hash,
            "adapter_metrics": lineage["metrics"],
        },
    }


def write_card(
    folder: Path,
    adapter: Adapter,
    lineage: Mapping[str, Any],
    drifts: Mapping[Any, Drift],
    kept: str,
    pages: str,
) -> None:
    """Write README.md, with the figures of every candidate."""
    if lineage:
        text = model_card(lineage)
    else:
        data = ModelCardData(library_name="transformers")
        text = f"---\n{data.to_yaml()}\n---\n\n# {adapter.folder.name}\n\n"
    lines = [
        HEADING,
        "",
        f"The adapter `{adapter.name}` merged into the {kept} weights of `{adapter.base}`. "
        f"Compared with base + adapter on {pages}:",
        "",
        "| merged into | KL, nats per token | worst row | other top token | other answers |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {onto}{' (kept)' if onto == kept else ''} | {drift.kl:.3g} | {drift.kl_worst_row:.3g} "
        f"| {drift.changed_tokens:.2%} of {drift.tokens} | {drift.changed_answers} of "
        f"{drift.rows} |"
        for onto, drift in drifts.items()
    ]
    ModelCard(text.rstrip() + "\n\n" + "\n".join(lines) + "\n").save(folder / "README.md")
