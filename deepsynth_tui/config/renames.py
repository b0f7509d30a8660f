"""Names that other tools and older releases use for our keys.

On the left a bare name, accepted at the top level and in any section, or a dotted one, accepted
there; on the right our key. A table
rather than part of the declarations, since it lists the vocabulary of others: one place to compare
with their documentation. Sources: the argument names of LLaMA-Factory, ms-swift, axolotl, TRL and
transformers before 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RENAMED = {
    "lora_rank": "lora.r",
    "lora_r": "lora.r",
    "rank": "lora.r",
    "alpha": "lora.lora_alpha",
    "dropout": "lora.lora_dropout",
    "use_lora": "lora.enabled",
    "lora_target": "lora.target_modules",
    "lora_target_modules": "lora.target_modules",
    "lora_target_parameters": "lora.target_parameters",
    "lora_modules_to_save": "lora.modules_to_save",
    "additional_target": "lora.modules_to_save",
    "peft_use_rslora": "lora.use_rslora",
    "peft_use_dora": "lora.use_dora",
    "use_qlora": "quantization.enabled",
    "qlora_bits": "quantization.bits",
    "quantization_bit": "quantization.bits",
    "quant_bits": "quantization.bits",
    "bnb_4bit_quant_type": "quantization.quant_type",
    "bnb_4bit_quant_storage": "quantization.quant_storage",
    "bnb_4bit_use_double_quant": "quantization.double_quant",
    "double_quantization": "quantization.double_quant",
    "bnb_4bit_compute_dtype": "quantization.compute_dtype",
    "model_name_or_path": "model.name_or_path",
    "base_model": "model.name_or_path",
    "model_revision": "model.revision",
    "torch_dtype": "model.dtype",
    "attn_impl": "model.attn_implementation",
    "freeze_vit": "model.freeze_vision_tower",
    "freeze_aligner": "model.freeze_projector",
    "freeze_multi_modal_projector": "model.freeze_projector",
    "image_min_pixels": "model.min_pixels",
    "image_max_pixels": "model.max_pixels",
    "batch_size": "training.per_device_train_batch_size",
    "micro_batch_size": "training.per_device_train_batch_size",
    "num_epochs": "training.num_train_epochs",
    "epochs": "training.num_train_epochs",
    "lr": "training.learning_rate",
    "lr_scheduler": "training.lr_scheduler_type",
    "vit_lr": "training.vision_learning_rate",
    "vision_lr": "training.vision_learning_rate",
    "aligner_lr": "training.projector_learning_rate",
    "merger_lr": "training.projector_learning_rate",
    "lorap_lr_ratio": "training.loraplus_lr_ratio",
    "optimizer": "training.optim",
    "warmup_ratio": "training.warmup_steps",
    "activation_checkpointing": "training.gradient_checkpointing",
    "dataset": "data.path",
    "val_dataset": "data.eval_path",
    "eval_dataset": "data.eval_path",
    "val_size": "data.eval_fraction",
    "split_dataset_ratio": "data.eval_fraction",
    "media_dir": "data.image_folder",
    "max_seq_length": "data.max_length",
    "cutoff_len": "data.max_length",
    "truncation_strategy": "data.on_too_long",
    "excess_length_strategy": "data.on_too_long",
    "output_dir": "output.dir",
    "source.answer_column": "source.target_column",
}

IMPLIED_SETTINGS = {
    "group_by_length": {"training.train_sampling_strategy": "group_by_length"},
    "mask_history": {"data.learn_turns": "last"},
    "load_in_4bit": {"quantization.enabled": True, "quantization.bits": 4},
    "load_in_8bit": {"quantization.enabled": True, "quantization.bits": 8},
}


def translate(key: str, value: Any) -> Mapping[str, Any] | None:
    """Return our keys and values for a dotted key of another tool; None if the name is unknown."""
    name = key.rpartition(".")[2]
    if name in IMPLIED_SETTINGS:
        return IMPLIED_SETTINGS[name] if value else {}
    ours = RENAMED.get(key) or RENAMED.get(name)
    return {ours: value} if ours else None
