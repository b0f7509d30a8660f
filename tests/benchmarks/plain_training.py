"""A plain script with PEFT and a Trainer: `plain_training.py MODEL DATA STEPS`.

Prints one JSON object: the end of the first step (seconds since the epoch), the seconds of each
step, the losses, and the peak memory of the process (bytes).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from typing import Any

import torch
from datasets import load_dataset
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from deepsynth_tui.training.callbacks.memory_time import resident_memory

path, data, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
tokenizer: Any = AutoTokenizer.from_pretrained(path)
base = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
rows: Any = load_dataset(data, split="train")
set_seed(42)
targets = [n for n, m in base.named_modules() if isinstance(m, torch.nn.Linear) and "layers" in n]
model: Any = get_peft_model(
    base, LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules=targets)
)


def collate(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Return the prompts and answers of `batch`; only answers have labels."""
    ids, labels = [], []
    for row in batch:
        question = {"role": "user", "content": f"{row['prompted_text']}\n\n{row['instruction']}"}
        prompt_text = tokenizer.apply_chat_template(
            [question], add_generation_prompt=True, tokenize=False
        )
        answer = {"role": "assistant", "content": row["target"]}
        whole = tokenizer.apply_chat_template([question, answer], tokenize=False)
        prompt = tokenizer(prompt_text, add_special_tokens=False)["input_ids"]
        reply = tokenizer(whole[len(prompt_text) :], add_special_tokens=False)["input_ids"]
        ids.append(torch.tensor(prompt + reply))
        labels.append(torch.tensor([-100] * len(prompt) + reply))
    pad = torch.nn.utils.rnn.pad_sequence
    return {
        "input_ids": pad(ids, batch_first=True, padding_value=tokenizer.pad_token_id),
        "attention_mask": pad([torch.ones_like(row) for row in ids], batch_first=True),
        "labels": pad(labels, batch_first=True, padding_value=-100),
    }


class Clock(TrainerCallback):
    """Record the time at which each step ends."""

    done: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.done.append(time.time())


with tempfile.TemporaryDirectory() as folder:
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            folder,
            per_device_train_batch_size=4,
            max_steps=steps,
            learning_rate=1e-3,
            lr_scheduler_type="cosine",
            optim="adamw_torch",
            logging_steps=1,
            save_steps=steps,
            disable_tqdm=True,
            remove_unused_columns=False,
            use_cpu=True,
        ),
        train_dataset=rows,
        data_collator=collate,
        callbacks=[Clock()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
history = trainer.state.log_history
between = [after - before for before, after in zip(Clock.done, Clock.done[1:], strict=False)]
losses = [entry["loss"] for entry in history if "loss" in entry]
figures = {"first": Clock.done[0], "steps": between, "losses": losses, "peak": resident_memory()[1]}
sys.stdout.write(json.dumps(figures) + "\n")
