"""Choose what to merge into by measurement, and write the merged model.

An adapter that was trained on quantized weights has learned to correct them. Merged into the
full-precision weights it meets others; merged into the dequantized ones it keeps their errors. Each
candidate is compared with base + adapter, and the nearer one is written.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch

from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.adapters.exam.rows import ExamData
from deepsynth_tui.adapters.loaded import LoadedAdapters, collator_of
from deepsynth_tui.adapters.merge.card import merged_lineage, write_card
from deepsynth_tui.adapters.merge.drift import (
    Drift,
    measure_drift,
    measure_reference,
)
from deepsynth_tui.adapters.merge.merged import Merged, Onto, check_mergeable, merge
from deepsynth_tui.adapters.output_folder import check_new_folder
from deepsynth_tui.adapters.pages import Pages, open_pages
from deepsynth_tui.adapters.settings import answer_config
from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.atomic import atomic_folder
from deepsynth_tui.training.data.example import ExampleBuilder
from deepsynth_tui.training.evaluation.samples import answer_logits
from deepsynth_tui.training.modeling.load import load_saved_model
from deepsynth_tui.training.result.file_names import LINEAGE
from deepsynth_tui.training.result.verify import TOLERANCE, relative_difference

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig

Choice = Literal["auto", "full", "dequantized"]
MAX_SHARD_SIZE = "4GB"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was written, and how far each candidate is from base + adapter."""

    folder: Path
    kept: Onto
    drifts: Mapping[Onto, Drift]
    pages: str
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            "path": str(self.folder),
            "kept": self.kept,
            "drift": {onto: drift.to_json() for onto, drift in self.drifts.items()},
            "pages": self.pages,
            "notes": list(self.notes),
        }


def merge_measured(
    adapter: Adapter,
    output: Path,
    *,
    onto: Choice,
    max_drift: float | None,
    data: ExamData | None,
    limit: int,
    on_progress: Callable[[str], None],
    complete: Callable[[Path], None] | None = None,
) -> Verdict:
    """Merge an adapter, measure the result on up to `limit` pages, and write it into `output`.

    `complete` adds to the folder, or raises to give it up, before it gets its name.

    One model is in memory at a time, and the weights are written a shard at a time.

    Raises:
        UserError: the adapter cannot be merged, the nearest candidate drifts more than `max_drift`
            nats per token, the written model computes something else, or `output` is not empty.
        OSError: the base model is missing, or the disk is full.
    """
    check_mergeable(adapter)
    check_new_folder(output)
    config = answer_config(adapter)
    candidates = _candidates(adapter, onto)
    images = collator_of(config).reads_images
    pages = open_pages(adapter, data, limit=limit, images=images)
    with tempfile.TemporaryDirectory(prefix="deepsynth-merge-") as scratch:
        on_progress(f"measuring {adapter.base} with the adapter")
        loaded = LoadedAdapters([adapter])
        with loaded.switched_on(adapter) as model:
            reference = measure_reference(model, config, pages, Path(scratch))
        del loaded, model
        drifts: dict[Onto, Drift] = {}
        merged: Merged | None = None
        in_memory: Onto | None = None
        for candidate in candidates:
            merged = None  # free its memory before the next one is loaded
            on_progress(f"merging into the {candidate} weights")
            merged, in_memory = merge(adapter, candidate), candidate
            drifts[candidate] = measure_drift(merged.model, config, pages, reference)
    kept = min(drifts, key=lambda candidate: drifts[candidate].kl)
    if max_drift is not None and not drifts[kept].kl <= max_drift:
        raise UserError(
            f"The merged model drifts {drifts[kept].kl:.3g} nats per token from base + adapter "
            f"({_listed(drifts)}), more than --max-drift {max_drift:g}: nothing was written",
            "Raise --max-drift, or use the adapter without merging it",
        )
    if merged is None or in_memory != kept:
        merged = None
        merged = merge(adapter, kept)
    verdict = Verdict(output, kept, drifts, pages.description, merged.notes)
    on_progress(f"writing {output}")
    inputs = _first_row(config, pages)
    with atomic_folder(output) as draft:
        expected = answer_logits(merged.model, inputs, config)
        merged.model.save_pretrained(str(draft), max_shard_size=MAX_SHARD_SIZE)
        merged.loaded.processor.save_pretrained(str(draft))
        merged = None  # free its memory before it is loaded again
        _describe(draft, adapter, verdict)
        _check_after_loading(draft, config, inputs, expected)
        if complete is not None:
            complete(draft)
    return verdict


def _candidates(adapter: Adapter, onto: Choice) -> tuple[Onto, ...]:
    """Return what to merge into, the likelier winner last: it is in memory then."""
    if not adapter.quantization:
        if onto == "dequantized":
            raise UserError(
                f"{adapter.name} was trained on weights that are not quantized",
                "Use --onto full",
            )
        return ("full",)
    return get_args(Onto) if onto == "auto" else (onto,)


def _listed(drifts: Mapping[Onto, Drift]) -> str:
    return ", ".join(f"{onto} {drift.kl:.3g}" for onto, drift in drifts.items())


def _first_row(config: TrainingConfig, pages: Pages) -> dict[str, torch.Tensor]:
    collator = collator_of(config)
    builder = ExampleBuilder(config.data, collator.reads_images, text_encoder=False)
    chat = collator.render(builder.build(pages.conversation(pages.indices[0])))
    return collator.encode([chat.last_turn()])


def _describe(draft: Path, adapter: Adapter, verdict: Verdict) -> None:
    """Write lineage and card."""
    lineage = merged_lineage(adapter, verdict.to_json(), verdict.folder)
    if lineage:
        text = json.dumps(lineage, indent=2, ensure_ascii=False) + "\n"
        (draft / LINEAGE).write_text(text, encoding="utf-8")
    write_card(draft, adapter, lineage, verdict.drifts, verdict.kept, verdict.pages)


def _check_after_loading(
    draft: Path, config: TrainingConfig, inputs: dict[str, torch.Tensor], expected: torch.Tensor
) -> None:
    """Load the written model; raise UserError unless it computes what was measured."""
    off = {"enabled": False}
    config = config.model_copy(
        update={
            "lora": config.lora.model_copy(update=off),
            "quantization": config.quantization.model_copy(update=off),
        }
    )
    model = load_saved_model(draft, config)
    difference = relative_difference(answer_logits(model, inputs, config), expected)
    if not difference <= TOLERANCE:
        raise UserError(
            f"The written model does not compute what was measured: its logits differ by "
            f"{difference:.1%} of the largest, so it was deleted",
            "Please report this with the name of the base model",
        )
