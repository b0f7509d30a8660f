"""Where an adapter comes from: `deepsynth.json` for programs, `model_card` for people."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepsynth_tui import builtin
from deepsynth_tui.training.data.dataset import DOCUMENT_COLUMN
from deepsynth_tui.training.result.model_card import model_card

if TYPE_CHECKING:
    from deepsynth_tui.config.training import DataSettings, TextEncoderSettings, TrainingConfig
    from deepsynth_tui.training.data.dataset import Split
    from deepsynth_tui.training.modeling.load import LoadedModel
    from deepsynth_tui.training.text_encoder.module import TextEncoder

LINEAGE_FILE = "deepsynth.json"
LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "datasets")


def build_lineage(
    base: LoadedModel,
    config: TrainingConfig,
    split: Split,
    metrics: Mapping[str, Any],
    excess: Sequence[str],
    encoder: TextEncoder | None = None,
) -> dict[str, Any]:
    """Everything needed to know what was trained on what, as JSON values. `excess` says what was
    done about rows that were too long."""
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
        **({"text_encoder": _encoder(config.text_encoder, encoder)} if encoder else {}),
        "dataset": {
            "path": config.data.path,
            "fingerprint": fingerprint(split, config.data),
            "train_rows": len(split.train),
            "held_out_rows": len(split.held_out),
            "too_long": list(excess),
        },
        "config": config.model_dump(mode="json"),
        "metrics": dict(metrics),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _encoder(settings: TextEncoderSettings, encoder: TextEncoder) -> dict[str, Any]:
    return {
        "name": settings.name_or_path,
        "path": builtin.locate(settings.name_or_path),
        "commit": encoder.commit,
        "type": settings.type,
        "trainable": settings.trainable,
        "tokens": settings.tokens,
    }


def fingerprint(split: Split, data: DataSettings) -> str:
    """A hash of what is learned from what: every row's document hash and answer, and the split.

    The same dataset has the same fingerprint wherever it lies; pixels are not read for it.
    """
    dataset = split.train.dataset
    columns = [
        column
        for column in (DOCUMENT_COLUMN, data.target_column, "messages")
        if column in dataset.column_names
    ]
    digest = hashlib.sha256()
    for row in dataset.select_columns(columns):
        digest.update(json.dumps(row, sort_keys=True).encode())
    sides = [list(split.train.indices), list(split.held_out.indices)]
    digest.update(json.dumps(sides).encode())
    return digest.hexdigest()[:16]


def write_lineage(folder: Path, lineage: Mapping[str, Any]) -> None:
    """Write `deepsynth.json` and the model card into a folder of weights."""
    text = json.dumps(lineage, indent=2, ensure_ascii=False) + "\n"
    (folder / LINEAGE_FILE).write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(model_card(lineage), encoding="utf-8")
