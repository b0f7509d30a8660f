"""The model card: front matter that the Hub reads, then how to load what was trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData, try_to_load_from_cache

from deepsynth_tui.builtin import PREFIX
from deepsynth_tui.training.data.dataset_folder import dataset_folder, may_be_on_hub

# Of `metrics`: the metric's id on the Hub, and its name.
SCORES = {
    "eval_loss": ("loss", "Loss"),
    "eval_exact_match": ("exact_match", "Exact match"),
    "eval_rouge_l": ("rouge", "ROUGE-L"),
    "eval_cer": ("cer", "Character error rate"),
}


def model_card(lineage: Mapping[str, Any]) -> str:
    """The text of README.md, from what `deepsynth.json` holds."""
    base, config, metrics = lineage["base"], lineage["config"], lineage["metrics"]
    adapter = config["lora"]["enabled"]
    auto = "AutoModelForImageTextToText" if base["reads_images"] else "AutoModelForCausalLM"
    if adapter:
        imports = ["from peft import PeftModel", f"from transformers import {auto}"]
        where = f'"{base["path"]}"'
        if base["name"].startswith(PREFIX):  # it lies in another folder on each machine
            imports.insert(0, "from deepsynth_tui.builtin import locate")
            where = f'locate("{base["name"]}")'
        load = f"base = {auto}.from_pretrained({where})"
        use = "\n".join(
            [*imports, "", load, 'model = PeftModel.from_pretrained(base, "path/to/this/folder")']
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
    return (
        f"---\n{front_matter(lineage).to_yaml()}\n---\n\n# {config['name']}\n\n"
        f"{'LoRA adapter for' if adapter else 'Fine-tuned from'} `{base['name']}`, trained on "
        f"{dataset['train_rows']} rows of `{dataset['path']}`. Configuration, versions and figures "
        f"are in `deepsynth.json`.{read}{excess}\n\n{figures}\n\n```python\n{use}\n```\n"
    )


def front_matter(lineage: Mapping[str, Any]) -> ModelCardData:
    """What the Hub knows of a model. It takes ids only: a folder of this machine, as base or as
    dataset, means nothing there."""
    base, config, dataset = lineage["base"], lineage["config"], lineage["dataset"]
    adapter = config["lora"]["enabled"]
    task = "image-text-to-text" if base["reads_images"] else "text-generation"
    methods = ["lora"] if adapter else []
    methods += ["qlora"] if config["quantization"]["enabled"] else []
    path = dataset["path"]
    public = may_be_on_hub(path) and dataset_folder(path) is None
    scores = [
        EvalResult(
            task_type=task,
            dataset_type=path if public else "held-out",
            dataset_name=f"{dataset['held_out_rows']} rows held out of the dataset",
            metric_type=kind,
            metric_name=name,
            metric_value=lineage["metrics"][key],
        )
        for key, (kind, name) in SCORES.items()
        if key in lineage["metrics"]
    ]
    return ModelCardData(
        library_name="peft" if adapter else "transformers",
        base_model=base["name"] if base["commit"] else None,
        datasets=[path] if public else None,
        license=license_of(base),
        pipeline_tag=task,
        tags=[*methods, "sft", "deepsynth"],
        model_name=config["name"] if scores else None,
        eval_results=scores or None,
    )


def license_of(base: Mapping[str, Any]) -> str | None:
    """The license that the base model's own card names, where that is on this machine."""
    path = Path(base["path"]) / "README.md"
    if not path.is_file():
        if not base["commit"]:
            return None
        cached = try_to_load_from_cache(base["name"], "README.md", revision=base["commit"])
        if not isinstance(cached, str):
            return None
        path = Path(cached)
    return ModelCard.load(path).data.to_dict().get("license")
