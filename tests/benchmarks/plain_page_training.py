"""A plain script with transformers, PEFT and gradient checkpointing.

`plain_page_training.py MODEL DATA STEPS [trl]` trains LoRA on the linear layers of the language
model, with the Trainer or with TRL's SFTTrainer, and prints the figures of `step_clock`.
"""

from __future__ import annotations

import re
import sys
import tempfile
from typing import Any

import torch
from datasets import load_dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForImageTextToText, Trainer, TrainingArguments, set_seed

from deepsynth_tui.training.modeling.processor import load_processor
from tests.benchmarks import step_clock

path, data, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
step_clock.install()
set_seed(42)
processor: Any = load_processor(path, reads_images=True)
model: Any = AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32)
rows: Any = load_dataset(data, split="train")
layers = re.compile(r"(language_model|text_model)\..*(_proj|experts.*)$")
targets = [
    name
    for name, module in model.named_modules()
    if isinstance(module, torch.nn.Linear) and layers.search(name) and "vision" not in name
]
lora = LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules=targets)
options: dict[str, Any] = {
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 1,
    "max_steps": steps,
    "learning_rate": 2e-4,
    "gradient_checkpointing": True,
    "gradient_checkpointing_kwargs": {"use_reentrant": False},
    "bf16": False,
    "use_cpu": True,
    "logging_steps": 1,
    "save_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
    "remove_unused_columns": False,
}


def collate(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Return the inputs of the one row of a batch; only its answer has labels."""
    (row,) = batch
    if processor.chat_template:
        prompt = processor.apply_chat_template(row["messages"][:1], add_generation_prompt=True)
    else:
        prompt = f"{processor.image_token}\n{row['instruction']}\n"
    end = processor.tokenizer.eos_token
    inputs = processor(
        text=[prompt + row["target"] + end], images=[row["images"]], return_tensors="pt"
    )
    answer = len(processor.tokenizer(row["target"] + end, add_special_tokens=False)["input_ids"])
    labels = inputs["input_ids"].clone()
    labels[:, :-answer] = -100
    return {**inputs, "labels": labels}


with tempfile.TemporaryDirectory() as folder:
    if "trl" in sys.argv:
        from trl import SFTConfig, SFTTrainer  # pyright: ignore[reportMissingImports]

        config = SFTConfig(folder, max_length=None, **options)
        trainer: Any = SFTTrainer(
            model=model,
            args=config,
            train_dataset=rows.select_columns(["messages", "images"]),
            processing_class=processor,
            peft_config=lora,
        )
    else:
        trainer = Trainer(
            model=get_peft_model(model, lora),
            args=TrainingArguments(folder, **options),
            train_dataset=rows,
            data_collator=collate,
        )
    trainer.train()
step_clock.print_figures()
