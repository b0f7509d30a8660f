"""An adapter as vLLM's LoRA loader takes it, or the reason why it does not.

The loader (`vllm/lora/peft_helper.py`, `lora_model.py`) reads one `r` and one `lora_alpha` for all
modules and ignores `rank_pattern` and `alpha_pattern` without a word; it refuses DoRA,
`modules_to_save` and bias. Of a multimodal model it adapts the language model and leaves out vision
tower and projector, with a warning in its log only; vLLM 0.14 and later adapt them with
`--enable-tower-connector-lora`, for the models that support it.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.adapters.lora_update import PREFIX
from deepsynth_tui.errors import UserError
from deepsynth_tui.models.towers import Tower, tower_of
from deepsynth_tui.training.result.file_names import ADAPTER_WEIGHTS, PEFT_CONFIG

if TYPE_CHECKING:
    import torch

Towers = Literal["refuse", "drop", "keep"]
"""What to do with modules outside of the language model: refuse the export, leave them out, or
keep them for a vLLM that takes them."""
MAX_LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The values of vLLM's `--max-lora-rank` but 1: `MaxLoRARanks` of `vllm/config/lora.py` in 0.14."""
SINCE_TOWERS = "0.14"
"""The first version with vllm-project/vllm#26674, LoRA of tower and connector."""
MERGE_INSTEAD = "Export it merged: --to merged; vLLM serves that as any model"
_OUTSIDE = frozenset({"vision", "projector", "audio", "other"})


@dataclass(frozen=True, slots=True)
class VllmPlan:
    """How an adapter is written for vLLM.

    Attributes:
        modules: The adapted modules that are written, with the rank and the scale of each.
        dropped: Number of modules that are left out, by tower.
        outside: Number of written modules outside of the language model, by tower.
        is_folded: Whether ranks or scales differ, so that the factors take up the scale and are
            padded to one rank.
    """

    modules: Mapping[str, tuple[int, float]]
    dropped: Mapping[Tower, int]
    outside: Mapping[Tower, int]
    is_folded: bool

    @property
    def r(self) -> int:
        """The rank of the written adapter."""
        return max(r for r, _ in self.modules.values())

    @property
    def max_lora_rank(self) -> int:
        """The smallest `--max-lora-rank` that the adapter fits."""
        return next(limit for limit in MAX_LORA_RANKS if limit >= self.r)


def plan_vllm(adapter: Adapter, towers: Towers) -> VllmPlan:
    """Return how `adapter` is written for vLLM.

    Raises:
        UserError: vLLM does not load it, or would leave modules out and `towers` is "refuse".
    """
    if reason := _obstacle(adapter):
        raise UserError(f"vLLM cannot serve {adapter.name}: it {reason}", MERGE_INSTEAD)
    updates = adapter.updates()
    outside: Counter[Tower] = Counter(u.tower for u in updates if u.tower in _OUTSIDE)
    if outside and towers == "refuse":
        raise UserError(
            f"vLLM leaves {_listed(outside)} of {adapter.name} out, without an error, and its "
            "answers would change",
            f"{MERGE_INSTEAD}. Or agree: --towers drop writes the language model's part alone, "
            f"--towers keep all of it for vLLM {SINCE_TOWERS} with --enable-tower-connector-lora",
        )
    kept = {
        update.module: (update.r, update.scaling)
        for update in updates
        if towers == "keep" or update.tower not in _OUTSIDE
    }
    if not kept:
        raise UserError(
            f"{adapter.name} adapts nothing in the language model, which is all that vLLM adapts",
            MERGE_INSTEAD,
        )
    if (largest := max(r for r, _ in kept.values())) > MAX_LORA_RANKS[-1]:
        raise UserError(
            f"{adapter.name} has rank {largest}, and vLLM takes {MAX_LORA_RANKS[-1]} at most",
            MERGE_INSTEAD,
        )
    is_folded = len(set(kept.values())) > 1
    if towers == "keep":
        return VllmPlan(kept, dropped={}, outside=outside, is_folded=is_folded)
    return VllmPlan(kept, dropped=outside, outside={}, is_folded=is_folded)


def rewrite_for_vllm(folder: Path, plan: VllmPlan) -> None:
    """Rewrite the adapter in `folder` by the plan, so that PEFT still loads it. Raises OSError."""
    from safetensors.torch import load_file, save_file

    if not plan.is_folded and not plan.dropped:
        return
    tensors = load_file(folder / ADAPTER_WEIGHTS)
    written: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        module, _, factor = name.removeprefix(PREFIX).partition(".lora_")
        if module in plan.modules:
            scale = plan.modules[module][1]
            written[name] = _folded(tensor, factor[0], plan.r, scale) if plan.is_folded else tensor
    save_file(written, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    config = json.loads((folder / PEFT_CONFIG).read_text(encoding="utf-8"))
    config["target_modules"] = sorted(plan.modules)
    if plan.is_folded:
        config |= {"r": plan.r, "lora_alpha": plan.r, "use_rslora": False}
        config |= {"rank_pattern": {}, "alpha_pattern": {}}
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    (folder / PEFT_CONFIG).write_text(text, encoding="utf-8")


def serve_command(adapter: Adapter, base: str, folder: Path, name: str, plan: VllmPlan) -> str:
    """Return the shell command that serves the export under the name `name`."""
    model: Mapping[str, Any] = adapter.lineage["config"]["model"] if adapter.lineage else {}
    parts = ["vllm", "serve", base]
    if adapter.base_commit:
        parts += ["--revision", adapter.base_commit]
    if model.get("dtype"):
        parts += ["--dtype", str(model["dtype"])]
    if model.get("trust_remote_code"):
        parts.append("--trust-remote-code")
    pixels = {key: model[key] for key in ("min_pixels", "max_pixels") if model.get(key)}
    if pixels:
        parts += ["--mm-processor-kwargs", json.dumps(pixels)]
    if adapter.quantization.get("bits") == 4:
        parts += ["--quantization", "bitsandbytes"]
    parts += ["--enable-lora", "--max-lora-rank", str(plan.max_lora_rank)]
    if plan.outside:
        parts.append("--enable-tower-connector-lora")
    return shlex.join([*parts, "--lora-modules", f"{name}={folder}"])


def vllm_notes(adapter: Adapter, plan: VllmPlan) -> list[str]:
    """Return what was changed or left out, and what the server must be."""
    notes = []
    if plan.dropped:
        notes.append(
            f"{_listed(plan.dropped)} are left out: the answers are not those that were trained"
        )
    if plan.outside:
        notes.append(
            f"{_listed(plan.outside)} need vLLM {SINCE_TOWERS} or later and a model that supports "
            "--enable-tower-connector-lora; without it they are left out without an error"
        )
    if plan.is_folded:
        notes.append(
            f"vLLM reads one rank and one alpha: scales are in the factors, padded to rank {plan.r}"
        )
    if bits := adapter.quantization.get("bits"):
        notes.append(
            f"trained on weights in {bits} bits: vLLM quantizes in its own way, or serves whole "
            "weights, so prove the answers with --server"
        )
    return notes


def _obstacle(adapter: Adapter) -> str | None:
    peft = adapter.peft
    if not adapter.is_lora:
        return f"is a {peft['peft_type']} adapter"
    if peft.get("use_dora"):
        return "is a DoRA, which vLLM does not support"
    if adapter.reads_text_encoder:
        return "reads its instructions with a text encoder"
    if peft.get("bias", "none") != "none":
        return f"trains biases (bias: {peft['bias']})"
    if replaced := sorted(adapter.saved_modules()):
        return f"replaces {replaced[0]} (modules_to_save), which vLLM does not support"
    if adapter.changes_base_weights:
        return f"changes base weights (init_lora_weights: {peft.get('init_lora_weights')})"
    if peft.get("target_parameters"):
        return "adapts fused experts, which vLLM holds in another layout"
    for name in adapter.weights.tensors:
        if ".lora_embedding_" in name or tower_of(name.removeprefix(PREFIX)) == "head":
            return "adapts embeddings or the head, which vLLM takes for some models only"
    return None


def _listed(counts: Mapping[Tower, int]) -> str:
    return ", ".join(f"{count} modules of {tower}" for tower, count in counts.items())


def _folded(tensor: torch.Tensor, factor: str, r: int, scale: float) -> torch.Tensor:
    """Return a factor padded with zeros to rank `r`; B takes up the scale."""
    import torch

    missing = r - tensor.shape[0 if factor == "A" else 1]
    padding = (0, 0, 0, missing) if factor == "A" else (0, missing)
    padded = torch.nn.functional.pad(tensor, padding)
    return padded if factor == "A" else (padded.float() * scale).to(tensor.dtype)
