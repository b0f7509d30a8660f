"""Published measurements of the transformers + PEFT stack, as configurations and layouts.

`data/published.csv` has one run per row, with the repository, path and commit of its source.
`data/models.csv` has the shapes of the models. The functions below derive the differences between
the software of a row and ours from its declared columns, never from its measurements.
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
# Training loops that empty the allocator's cache every ten steps (`method_comparison/*/run.py`).
EMPTYING = frozenset({"huggingface/peft"})

# The shipped catalogue has no RTX PRO 6000 Blackwell. Dense TFLOPS with float32 sums and GB/s are
# those of its data sheet.
OTHER_GPUS = (Gpu("RTX PRO 6000 (96GB)", 96, 94.97, 1792, 503.8, True, None, None),)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run. Memory is in bytes, None if the source does not give it.

    `length` is the limit of a row in tokens, `mean_length` the average padded length. `allocated`
    is ``max_memory_allocated``, `reserved` is ``max_memory_reserved``, `device` is the value of
    nvidia-smi, `unnamed` a value whose instrument the source does not name.
    """

    id: str
    source: str
    grade: str
    config: TrainingConfig
    layout: ModelLayout
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
    """Return every row of a file with the columns of `data/published.csv`.

    Raises ValueError for a model that is not in `data/models.csv`.
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
        layout=_model_layout(row["model"]),
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
    """Return the bytes per logit that are allocated at the peak of the loss.

    Up to transformers 4.45 and in Qwen's own code: 12 (two copies of four bytes, or two of two
    and one of four, and four of log-softmax). 4.46 to 4.48: 14 (the half-precision logits of the
    model, a float32 copy, its shifted copy and log-softmax). Later versions shift the labels
    instead: 12. A loss in half precision outside the model: 6 (logits, shifted copy, log-softmax).
    """
    if row["loss"].startswith("half"):
        return 6
    version = tuple(int(part) for part in row["transformers"].split(".")[:2])
    return 14 if (4, 46) <= version <= (4, 48) else 12


def _spare_logits_bytes(row: Mapping[str, str]) -> int:
    """Return the bytes per logit that are freed before the peak of the loss, in smaller tensors.

    These are the half-precision logits of the model; granite scales them, which makes a second
    copy. 4.46 to 4.48 keep them at the peak, and `_logits_bytes` counts them. A loss in half
    precision has tensors of one size only.
    """
    if row["loss"].startswith("half"):
        return 0
    version = tuple(int(part) for part in row["transformers"].split(".")[:2])
    keeps_logits = (4, 46) <= version <= (4, 48)
    return 0 if keeps_logits else 2 * (2 if "granite" in row["notes"] else 1)


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
def _model_layout(model: str) -> ModelLayout:
    """Return a decoder with the shapes in `data/models.csv`. Column `layout` names its linears."""
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
    per_layer = tuple((number,) for number in range(text.layers))
    per_expert = tuple((n, expert) for n in range(text.layers) for expert in range(text.experts))
    embedding = (text.vocab, text.hidden)
    weights = (
        _group("embedding", "model.embed_tokens.weight", embedding, ((),)),
        *(
            _group(
                "linear",
                f"model.layers.*.{name}.weight",
                shape,
                per_expert if "*" in name else per_layer,
            )
            for name, shape in _linears(row["layout"], text).items()
        ),
        _group("norm", "model.layers.*.norms.weight", (2 * text.hidden,), per_layer),
        _group("norm", "model.norm.weight", (text.hidden,), ((),)),
        _group("linear", "lm_head.weight", embedding, ((),), tied=row["tied"] == "yes"),
    )
    return ModelLayout(model, None, "model", "decoder", "hub", weights, text, None)


def _linears(split: str, text: TextDimensions) -> Mapping[str, tuple[int, int]]:
    """Return the shapes of the linears of a layer by module name."""
    hidden, inner = text.hidden, text.intermediate
    queries, keys = text.heads * text.head_dim, text.kv_heads * text.head_dim
    attention = {
        "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries),
    }
    match split:
        case "gated":
            return attention | {
                "mlp.gate_proj": (inner, hidden),
                "mlp.up_proj": (inner, hidden),
                "mlp.down_proj": (hidden, inner),
            }
        case "experts":
            return attention | {
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
    raise ValueError(f"models.csv: no layout called {split}")


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
