"""What an adapter was trained from and on: `deepsynth.json`, and a model card made from it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepsynth_tui import builtin
from deepsynth_tui.training.result.file_names import LINEAGE
from deepsynth_tui.training.result.model_card import model_card

if TYPE_CHECKING:
    from deepsynth_tui.config.model import TextEncoderSettings
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.data.dataset import Split
    from deepsynth_tui.training.data.select_rows import SelectedRows
    from deepsynth_tui.training.modeling.load import LoadedModel
    from deepsynth_tui.training.result.checkpoint_record import CheckpointRecord
    from deepsynth_tui.training.text_encoder.module import TextEncoder

LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "datasets")


def build_lineage(
    base: LoadedModel,
    config: TrainingConfig,
    split: Split,
    metrics: Mapping[str, Any],
    selected: SelectedRows,
    usage: Mapping[str, Any],
    record: CheckpointRecord,
    encoder: TextEncoder | None = None,
) -> dict[str, Any]:
    """Return the base model, dataset, configuration, metrics and library versions as JSON values.

    `selected` says what was done with rows that are bad or too long, `usage` how the result is
    used, `record` how the run was extended and the adapter that it started from.
    """
    return {
        "v": 1,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "base": {
            "name": base.name,
            "path": base.path,
            "commit": base.commit,
            "architecture": type(base.model).__name__,
            "reads_images": base.reads_images,
        },
        **({"init_from": dict(record.init_from)} if record.init_from else {}),
        **({"text_encoder": _text_encoder(config.text_encoder, encoder)} if encoder else {}),
        "dataset": {
            "path": config.dataset_paths,
            "eval_path": config.data.eval_path,
            "read_as": list(split.description),
            "fingerprint": fingerprint(split),
            "train_rows": len(split.train),
            "held_out_rows": len(split.held_out),
            "bad_rows": list(selected.bad_rows),
            "too_long": list(selected.too_long),
            "remarks": list(selected.remarks),
        },
        "config": config.model_dump(mode="json"),
        "usage": dict(usage),
        "extensions": [asdict(extension) for extension in record.extensions],
        "metrics": dict(metrics),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _text_encoder(settings: TextEncoderSettings, encoder: TextEncoder) -> dict[str, Any]:
    return {
        "name": settings.name_or_path,
        "path": builtin.locate(settings.name_or_path),
        "commit": encoder.commit,
        "type": settings.type,
        "trainable": settings.trainable,
        "tokens": settings.tokens,
    }


def fingerprint(split: Split) -> str:
    """Return a hash of the text of every row, of its document, and of the split.

    The same datasets have the same fingerprint in any folder. Pixels are not read.
    """
    digest = hashlib.sha256()
    datasets = [split.train.dataset]
    if split.held_out.dataset is not split.train.dataset:
        datasets.append(split.held_out.dataset)
    for dataset in datasets:
        for part in dataset.parts:
            for text in part.texts():
                digest.update(text.encode())
    indices = [list(split.train.indices), list(split.held_out.indices)]
    digest.update(json.dumps(indices).encode())
    return digest.hexdigest()[:16]


def write_lineage(folder: Path, lineage: Mapping[str, Any]) -> None:
    """Write `deepsynth.json` and the model card into a folder of weights."""
    text = json.dumps(lineage, indent=2, ensure_ascii=False) + "\n"
    (folder / LINEAGE).write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(model_card(lineage), encoding="utf-8")
