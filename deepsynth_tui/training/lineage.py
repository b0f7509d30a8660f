"""Where an adapter comes from: `deepsynth.json` for programs, the model card for people."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from deepsynth_tui import builtin
from deepsynth_tui.training.rows import DOCUMENT

if TYPE_CHECKING:
    from deepsynth_tui.config.training import DataSettings, TextEncoderSettings, TrainingConfig
    from deepsynth_tui.training.model import Base
    from deepsynth_tui.training.rows import Split
    from deepsynth_tui.training.text_encoder.module import TextEncoder

FILE = "deepsynth.json"
LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "datasets")


def describe(
    base: Base,
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
        for column in (DOCUMENT, data.target_column, "messages")
        if column in dataset.column_names
    ]
    digest = hashlib.sha256()
    for row in dataset.select_columns(columns):
        digest.update(json.dumps(row, sort_keys=True).encode())
    sides = [list(split.train.positions), list(split.held_out.positions)]
    digest.update(json.dumps(sides).encode())
    return digest.hexdigest()[:16]


def write(folder: Path, lineage: Mapping[str, Any]) -> None:
    """Write `deepsynth.json` and the model card into a folder of weights."""
    text = json.dumps(lineage, indent=2, ensure_ascii=False) + "\n"
    (folder / FILE).write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(card(lineage), encoding="utf-8")


def card(lineage: Mapping[str, Any]) -> str:
    """The model card: front matter that the Hub reads, then how to load the adapter."""
    base, config, metrics = lineage["base"], lineage["config"], lineage["metrics"]
    adapter = config["lora"]["enabled"]
    reads_images = base["reads_images"]
    kind = "image-text-to-text" if reads_images else "text-generation"
    front: dict[str, Any] = {
        "library_name": "peft" if adapter else "transformers",
        # The Hub takes ids only; a folder of this machine means nothing there.
        **({"base_model": base["name"]} if base["commit"] else {}),
        "pipeline_tag": kind,
        "tags": ["lora", "deepsynth"] if adapter else ["deepsynth"],
    }
    auto = "AutoModelForImageTextToText" if reads_images else "AutoModelForCausalLM"
    if adapter:
        use = (
            "from peft import PeftModel\n"
            f"from transformers import {auto}\n\n"
            f'base = {auto}.from_pretrained("{base["path"]}")\n'
            'model = PeftModel.from_pretrained(base, "path/to/this/folder")'
        )
    else:
        use = (
            f"from transformers import {auto}\n\n"
            f'model = {auto}.from_pretrained("path/to/this/folder")'
        )
    if encoder := lineage.get("text_encoder"):
        use += (
            "\n# Its instructions come through the text encoder in text_encoder/, which PEFT does "
            "not load:\n# python -m deepsynth_tui.adapters.try_out path/to/this/folder"
        )
        read = f" Instructions are read by `{encoder['name']}`."
    else:
        read = ""
    figures = "\n".join(f"- {name}: {value}" for name, value in metrics.items())
    dataset = lineage["dataset"]
    excess = "".join(f"\n\n{said}." for said in dataset["too_long"])
    header = yaml.safe_dump(front, sort_keys=False, allow_unicode=True)
    return (
        f"---\n{header}---\n\n# {config['name']}\n\n"
        f"{'LoRA adapter for' if adapter else 'Fine-tuned from'} `{base['name']}`, trained on "
        f"{dataset['train_rows']} rows of `{dataset['path']}`. Configuration, versions and figures "
        f"are in `{FILE}`.{read}{excess}\n\n{figures}\n\n```python\n{use}\n```\n"
    )
