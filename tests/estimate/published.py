"""Published measurements of the transformers + PEFT stack, as configurations and profiles.

`data/published.csv` has one run a row, with repository, path and commit of its source;
`data/models.csv` the shapes of the models. What the software of a row did differently from ours
follows from its declared columns by the rules below, never from the figure that was measured.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.stack_version import StackVersion
from deepsynth_tui.machine.gpu_catalogue import Gpu, load_catalogue
from deepsynth_tui.models.layout import Kind, ModelLayout, TextDimensions, WeightGroup
from deepsynth_tui.models.towers import tower_of
from tests.estimate.models import configure

DATA = Path(__file__).parent / "data"
ROWS, MODELS = DATA / "published.csv", DATA / "models.csv"
MIB = 2**20
# Loops that give back what the allocator holds every ten steps (`method_comparison/*/run.py`).
EMPTYING = frozenset({"huggingface/peft"})

# The shipped catalogue has no RTX PRO 6000 Blackwell. TFLOPS with float32 sums, dense, and GB/s of
# its data sheet.
OTHER_GPUS = (Gpu("RTX PRO 6000 (96GB)", 96, 94.97, 1792, 503.8, True, None, None),)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run. Memory in bytes, None where that instrument was not read.

    `length` is what the longest row can be, `mean_length` what a row was padded to on average.
    `allocated` is ``max_memory_allocated``, `reserved` ``max_memory_reserved``, `device` what
    nvidia-smi showed, `unnamed` a figure whose instrument the source does not name.
    """

    id: str
    source: str
    grade: str
    config: TrainingConfig
    profile: ModelLayout
    stack: StackVersion
    gptq: bool
    gpu: Gpu
    length: int
    mean_length: int
    allocated: int | None
    reserved: int | None
    device: int | None
    unnamed: int | None
    tokens_per_second: float


@cache
def measurements(file: Path = ROWS) -> tuple[Measurement, ...]:
    """Every row of a file in the columns of `data/published.csv`.

    Raises ValueError for a model that `data/models.csv` does not have.
    """
    return tuple(_measurement(row) for row in _rows(file))


def _measurement(row: Mapping[str, str]) -> Measurement:
    def number(column: str) -> int | None:
        return int(row[column]) if row[column] else None

    length = int(row["seq_len"])
    device = number("device_mib")
    return Measurement(
        id=row["id"],
        source=f"{row['source_repo']} {row['source_path']} {row['source_commit']}",
        grade=row["grade"],
        config=_config(row),
        profile=_profile(row["model"]),
        stack=StackVersion(
            loss_bytes_per_logit=_logits_bytes(row),
            freed_bytes_per_logit=_spare_logits_bytes(row),
            float32_stream=row["hidden_stream"] == "float32",
            empties_cache=row["source_repo"] in EMPTYING,
        ),
        gptq=row["quant_type"] == "gptq",
        gpu=_gpus()[row["gpu"]],
        length=length,
        mean_length=number("mean_len") or length,
        allocated=number("allocated_bytes"),
        reserved=number("reserved_bytes"),
        device=None if device is None else device * MIB,
        unnamed=round(float(row["unnamed_gb"]) * 1e9) if row["unnamed_gb"] else None,
        tokens_per_second=float(row["tokens_per_second"]),
    )


def _logits_bytes(row: Mapping[str, str]) -> int:
    """Bytes per logit that are held at once when the loss is computed.

    Up to transformers 4.45 and in Qwen's own code: 12 (two copies of four bytes, or two of two
    and one of four, and four of log-softmax). 4.46 to 4.48 keep the half-precision logits of the
    model beside a float32 copy, its shifted copy and log-softmax: 14. Later ones shift the labels
    instead: 12. A loss outside the model in half precision: logits, shifted copy, log-softmax.
    """
    if row["loss"].startswith("half"):
        return 6
    version = tuple(int(part) for part in row["transformers"].split(".")[:2])
    return 14 if (4, 46) <= version <= (4, 48) else 12


def _spare_logits_bytes(row: Mapping[str, str]) -> int:
    """Bytes per logit that were in use before the peak of the loss, in smaller tensors.

    The model's own in half precision, and once more in granite, which scales them. 4.46 to 4.48
    keep it over the peak, where `_logits_bytes` counts it. A loss in half precision has tensors of
    one size only.
    """
    if row["loss"].startswith("half"):
        return 0
    version = tuple(int(part) for part in row["transformers"].split(".")[:2])
    kept = (4, 46) <= version <= (4, 48)
    return 0 if kept else 2 * (2 if "granite" in row["notes"] else 1)


def _config(row: Mapping[str, str]) -> TrainingConfig:
    targets, _, saved = row["target_modules"].partition(" ; modules_to_save ")
    lora = {"enabled": row["method"] == "lora"}
    if lora["enabled"]:
        lora |= {
            "r": int(row["rank"]),
            "lora_dropout": float(row["dropout"]),
            "target_modules": targets.split(),
            "modules_to_save": ["embed_tokens", "lm_head"] if saved else [],
        }
    return configure(
        model={"attn_implementation": row["attention"]},
        lora=lora,
        quantization={
            "enabled": bool(row["quant_type"]),
            # GPTQ in groups of 128 takes 0.52 bytes a weight, double quantisation 0.516.
            "double_quant": row["double_quant"] == "yes" or row["quant_type"] == "gptq",
        },
        data={"max_length": int(row["seq_len"])},
        training={
            "per_device_train_batch_size": int(row["batch_size"]),
            "gradient_accumulation_steps": int(row["accumulation"]),
            "gradient_checkpointing": row["checkpointing"] == "yes",
            "optim": row["optimizer"],
            "bf16": row["autocast"] == "bfloat16",
            "fp16": row["autocast"] == "float16",
        },
    )


@cache
def _profile(model: str) -> ModelLayout:
    """A decoder of the shapes in `data/models.csv`; `layout` says how its linears are cut."""
    row = {row["model"]: row for row in _rows(MODELS)}.get(model)
    if row is None:
        raise ValueError(f"{MODELS} has no shapes of the model {model}: add a line for it.")
    text = TextDimensions(
        hidden=int(row["hidden_size"]),
        layers=int(row["num_layers"]),
        heads=int(row["num_heads"]),
        kv_heads=int(row["num_kv_heads"]),
        head_dim=int(row["head_dim"]),
        intermediate=int(row["intermediate_size"]),
        vocab=int(row["vocab_size"]),
        experts=int(row["experts"]),
        experts_per_token=int(row["experts_per_token"]),
        expert_intermediate=int(row["intermediate_size"]) if int(row["experts"]) else 0,
    )
    every = tuple((number,) for number in range(text.layers))
    each = tuple((n, expert) for n in range(text.layers) for expert in range(text.experts))
    embedding = (text.vocab, text.hidden)
    weights = (
        _group("embedding", "model.embed_tokens.weight", embedding, ((),)),
        *(
            _group("linear", f"model.layers.*.{name}.weight", shape, each if "*" in name else every)
            for name, shape in _linears(row["layout"], text).items()
        ),
        _group("norm", "model.layers.*.norms.weight", (2 * text.hidden,), every),
        _group("norm", "model.norm.weight", (text.hidden,), ((),)),
        _group("linear", "lm_head.weight", embedding, ((),), tied=row["tied"] == "yes"),
    )
    return ModelLayout(model, None, "model", "decoder", "hub", weights, text, None)


def _linears(layout: str, text: TextDimensions) -> Mapping[str, tuple[int, int]]:
    """Shapes of one layer's linears by the names that the model gives them."""
    hidden, inner = text.hidden, text.intermediate
    queries, keys = text.heads * text.head_dim, text.kv_heads * text.head_dim
    apart = {
        "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries),
    }
    match layout:
        case "gated":
            return apart | {
                "mlp.gate_proj": (inner, hidden),
                "mlp.up_proj": (inner, hidden),
                "mlp.down_proj": (hidden, inner),
            }
        case "experts":
            return apart | {
                "mlp.gate": (text.experts, hidden),
                "mlp.experts.*.gate_proj": (inner, hidden),
                "mlp.experts.*.up_proj": (inner, hidden),
                "mlp.experts.*.down_proj": (hidden, inner),
            }
        case "fused":
            return {
                "self_attn.qkv_proj": (queries + 2 * keys, hidden),
                "self_attn.o_proj": (hidden, queries),
                "mlp.gate_up_proj": (2 * inner, hidden),
                "mlp.down_proj": (hidden, inner),
            }
        case "qwen1":
            return {
                "attn.c_attn": (queries + 2 * keys, hidden),
                "attn.c_proj": (hidden, queries),
                "mlp.w1": (inner, hidden),
                "mlp.w2": (inner, hidden),
                "mlp.c_proj": (hidden, inner),
            }
    raise ValueError(f"models.csv: no layout called {layout}")


def _group(
    kind: Kind,
    pattern: str,
    shape: tuple[int, ...],
    indices: tuple[tuple[int, ...], ...],
    *,
    tied: bool = False,
) -> WeightGroup:
    tower = tower_of(pattern)
    convertible = kind == "linear" and tower != "head"
    return WeightGroup(tower, kind, pattern, shape, indices, convertible, tied)


@cache
def _gpus() -> Mapping[str, Gpu]:
    return {gpu.name: gpu for gpu in (*load_catalogue(), *OTHER_GPUS)}


def _rows(file: Path) -> Iterable[Mapping[str, str]]:
    return csv.DictReader(file.read_text(encoding="utf-8").splitlines())
