"""The settings that `inference.py` reads, from those of the run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepsynth_tui import builtin
from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.adapters.settings import answer_config
from deepsynth_tui.conversations.conversation import DEFAULT_INSTRUCTION

if TYPE_CHECKING:
    from deepsynth_tui.training.data.collator import Collator

SCRIPT, SETTINGS = "inference.py", "inference.json"
BASE_FOLDER = "base"  # of a builtin base model, which has no other home
DEFAULT_NEW_TOKENS = 512


def inference_settings(
    adapter: Adapter, collator: Collator, *, is_adapter: bool, base: str
) -> dict[str, Any]:
    """Return the content of `inference.json`.

    `base` is where the base model is: a Hub id, a path, or a folder in the export.
    """
    config = answer_config(adapter)
    limits = collator.config.model
    usage = adapter.lineage.get("usage", {})
    training = config.training
    autocast = "bfloat16" if training.bf16 else "float16" if training.fp16 else None
    return {
        "base": base if is_adapter else None,
        "revision": adapter.base_commit if is_adapter else None,
        "is_adapter": is_adapter,
        "reads_images": collator.reads_images,
        "dtype": config.model.dtype,
        "attn_implementation": config.model.attn_implementation,
        "trust_remote_code": config.model.trust_remote_code,
        "quantization": _quantization(adapter) if is_adapter else None,
        "chat_template": (
            collator.chat_template.options if collator.chat_template.is_fallback else None
        ),
        "template_options": usage.get("template_options") or {},
        "prompt_suffix": usage.get("prompt_suffix") or "",
        "min_pixels": limits.min_pixels,
        "max_pixels": limits.max_pixels,
        "pad_token_id": collator.pad_token_id,
        "eos_token_ids": sorted(collator.eos_token_ids),
        "autocast": autocast,
        "max_new_tokens": usage.get("max_new_tokens", DEFAULT_NEW_TOKENS),
        "instruction": config.data.instruction or DEFAULT_INSTRUCTION,
    }


def _quantization(adapter: Adapter) -> dict[str, Any] | None:
    """Return the arguments of `BitsAndBytesConfig`, dtypes by their names."""
    settings = adapter.quantization
    if not settings:
        return None
    skipped = adapter.lineage.get("usage", {}).get("unquantized_modules")
    values: dict[str, Any] = {"llm_int8_skip_modules": skipped} if skipped else {}
    if settings["bits"] == 8:
        return {"load_in_8bit": True, **values}
    return {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": settings["quant_type"],
        "bnb_4bit_use_double_quant": settings["double_quant"],
        "bnb_4bit_compute_dtype": settings["compute_dtype"],
        **values,
    }


def base_location(adapter: Adapter) -> str:
    """Return where the base model is for somebody else: a Hub id, or a path on this machine."""
    return builtin.locate(adapter.base)


def write_inference(folder: Path, settings: dict[str, Any]) -> None:
    """Write `inference.py` and its settings into a folder."""
    shutil.copyfile(Path(__file__).with_name(SCRIPT), folder / SCRIPT)
    text = json.dumps(settings, indent=2, ensure_ascii=False) + "\n"
    (folder / SETTINGS).write_text(text, encoding="utf-8")
