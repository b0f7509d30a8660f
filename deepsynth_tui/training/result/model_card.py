"""The model card: metadata for the Hub, and the code that uses the adapter or model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData, try_to_load_from_cache

from deepsynth_tui.training.data.dataset_folder import dataset_folder, may_be_on_hub
from deepsynth_tui.training.result.file_names import LINEAGE
from deepsynth_tui.training.result.usage_code import required_packages, usage_code

HUB_METRICS = {
    "eval_loss": ("loss", "Loss"),
    "eval_exact_match": ("exact_match", "Exact match"),
    "eval_rouge_l": ("rouge", "ROUGE-L"),
    "eval_cer": ("cer", "Character error rate"),
}
"""Key in `metrics` -> id of the metric on the Hub, and its name."""


def model_card(lineage: Mapping[str, Any]) -> str:
    """Return the text of README.md for the contents of `deepsynth.json`."""
    base, config, metrics = lineage["base"], lineage["config"], lineage["metrics"]
    dataset = lineage["dataset"]
    kind = "LoRA adapter for" if config["lora"]["enabled"] else "Fine-tuned from"
    encoder = lineage.get("text_encoder")
    encoder_note = f" Instructions are read by `{encoder['name']}`." if encoder else ""
    start = lineage.get("init_from")
    start_note = f" Training started from the adapter `{start['name']}`." if start else ""
    metric_lines = "\n".join(f"- {name}: {value}" for name, value in metrics.items())
    removed = "".join(f"\n\n{note}." for note in (*dataset["bad_rows"], *dataset["too_long"]))
    return (
        f"---\n{metadata(lineage).to_yaml()}\n---\n\n# {config['name']}\n\n"
        f"{kind} `{base['name']}`, trained on {dataset['train_rows']} rows of "
        f"`{dataset['path']}`. Configuration, versions and figures are in `{LINEAGE}`."
        f"{encoder_note}{start_note}{removed}\n\n{metric_lines}\n\n## Use\n\n"
        f"`pip install {' '.join(required_packages(lineage))}`\n\n"
        f"```python\n{usage_code(lineage)}\n```\n\n{_notes(lineage)}"
    )


def _notes(lineage: Mapping[str, Any]) -> str:
    """Return what the code does not show."""
    return "".join(f"{note}.\n\n" for note in lineage["usage"]["notes"])


def metadata(lineage: Mapping[str, Any]) -> ModelCardData:
    """Return the metadata of the card. Only Hub ids are given as base model and dataset: a local
    path means nothing on the Hub."""
    base, config, dataset = lineage["base"], lineage["config"], lineage["dataset"]
    is_adapter = config["lora"]["enabled"]
    task = "image-text-to-text" if base["reads_images"] else "text-generation"
    methods = ["lora"] if is_adapter else []
    methods += ["qlora"] if config["quantization"]["enabled"] else []
    path = dataset["path"]
    on_hub = may_be_on_hub(path) and dataset_folder(path) is None
    results = [
        EvalResult(
            task_type=task,
            dataset_type=path if on_hub else "held-out",
            dataset_name=f"{dataset['held_out_rows']} rows held out of the dataset",
            metric_type=metric_id,
            metric_name=name,
            metric_value=lineage["metrics"][key],
        )
        for key, (metric_id, name) in HUB_METRICS.items()
        if key in lineage["metrics"]
    ]
    return ModelCardData(
        library_name="peft" if is_adapter else "transformers",
        base_model=base["name"] if base["commit"] else None,
        datasets=[path] if on_hub else None,
        license=base_license(base),
        pipeline_tag=task,
        tags=[*methods, "sft", "deepsynth"],
        model_name=config["name"] if results else None,
        eval_results=results or None,
    )


def base_license(base: Mapping[str, Any]) -> str | None:
    """Return the license in the base model's own card, if that is on this machine."""
    path = Path(base["path"]) / "README.md"
    if not path.is_file():
        if not base["commit"]:
            return None
        cached = try_to_load_from_cache(base["name"], "README.md", revision=base["commit"])
        if not isinstance(cached, str):
            return None
        path = Path(cached)
    return ModelCard.load(path).data.to_dict().get("license")
