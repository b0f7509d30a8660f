"""The sections that say what is trained: model, LoRA, quantization, text encoder."""

from __future__ import annotations

from typing import Literal, get_args

from deepsynth_tui.config.setting import SectionInfo, Settings, setting

DEFAULT_MODEL = "deepseek-community/DeepSeek-OCR-2"
DEFAULT_ENCODER = "Qwen/Qwen3-Embedding-0.6B"
TowerName = Literal["language", "vision", "projector"]
TARGET_TOWERS: tuple[TowerName, ...] = get_args(TowerName)
"""Names in `lora.target_modules` that stand for every linear layer of a tower."""
DRAWN_INITS = (True, "gaussian")
"""Values of `lora.init_lora_weights` that draw the weights at random."""
INITS_THAT_KEEP_BASE_WEIGHTS = (*DRAWN_INITS, "eva")
"""Values of `lora.init_lora_weights` that leave the base weights unchanged."""


class ModelSettings(Settings):
    """The model to fine-tune."""

    section = SectionInfo(preset_resets=False, in_preflight=True, affects_memory=True)

    name_or_path: str = setting(
        DEFAULT_MODEL,
        label="Model",
        help="Model to fine-tune: a Hub id, a checkpoint folder, or builtin:tiny-vlm.",
        holds="path",
    )
    revision: str | None = setting(
        None,
        label="Revision",
        help="Branch, tag or commit of the Hub repository.",
        advanced=True,
    )
    trust_remote_code: bool = setting(
        False,
        label="Trust remote code",
        help="Run Python code from the model's repository. Requires a pinned revision.",
        advanced=True,
    )
    dtype: Literal["bfloat16", "float16", "float32"] = setting(
        "bfloat16", label="Weight dtype", help="Dtype of the weights that are not quantized."
    )
    attn_implementation: Literal[
        "sdpa",
        "eager",
        "flash_attention_2",
        "flash_attention_3",
        "kernels-community/flash-attn2",
        "kernels-community/vllm-flash-attn3",
    ] = setting(
        "sdpa",
        label="Attention",
        help="Attention implementation. flash_attention_2 and 3 use their package, or else the "
        "kernel of that name from the Hub if `kernels` is installed.",
        advanced=True,
        on_resume="free",
    )
    freeze_vision_tower: bool = setting(
        True,
        label="Freeze vision tower",
        help="Do not train the vision encoder: no LoRA adapters in it either.",
    )
    freeze_projector: bool = setting(
        True,
        label="Freeze projector",
        help="Do not train the projector between vision and language: no LoRA adapters either.",
    )
    min_pixels: int | None = setting(
        None,
        label="Min pixels",
        help="Upscale smaller page images to this area.",
        unit="pixels",
        ge=1,
        advanced=True,
        on_resume="reported",
        selects_rows=True,
    )
    max_pixels: int | None = setting(
        None,
        label="Max pixels",
        help="Downscale larger page images to this area. Lower it first if memory runs out.",
        unit="pixels",
        ge=1,
        advanced=True,
        on_resume="reported",
        selects_rows=True,
    )

    @property
    def uses_flash_attention(self) -> bool:
        """Whether attention runs in a kernel that needs no mask for padded rows."""
        return self.attn_implementation not in ("sdpa", "eager")


class LoraSettings(Settings):
    """Low-rank adapters: small trainable matrices beside frozen weights."""

    section = SectionInfo(title="LoRA", summary="r {r} alpha {lora_alpha}", affects_memory=True)

    enabled: bool = setting(
        True,
        label="Train with LoRA",
        help="Train adapters. Off: train all weights that are not frozen.",
    )
    preset: str | None = setting(
        None,
        label="Preset",
        help="Preset for the fields that are not set here (see `deepsynth-tui presets`).",
        affects_memory=False,
    )
    r: int = setting(
        16,
        label="Rank (r)",
        help="Rank of the adapter matrices. A higher rank learns more and takes more memory.",
        suggested=(4, 8, 16, 32, 64, 128),
        ge=1,
    )
    lora_alpha: int = setting(
        32,
        label="Alpha",
        help="Scale of the adapters: their output is multiplied by alpha / r.",
        suggested=(8, 16, 32, 64, 128, 256),
        ge=1,
        affects_memory=False,
    )
    lora_dropout: float = setting(
        0.05,
        label="Dropout",
        help="Dropout probability of the adapter inputs.",
        suggested=(0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5),
        ge=0.0,
        le=0.5,
    )
    target_modules: list[str] | str = setting(
        "all-linear",
        label="Target modules",
        help="Modules that get adapters: all-linear (in every tower that is not frozen), towers "
        "(language, vision, projector), names such as q_proj, or a regular expression.",
    )
    target_parameters: list[str] = setting(
        [],
        label="Target parameters",
        help="Fused expert parameters that get adapters, such as mlp.experts.",
        advanced=True,
    )
    exclude_modules: list[str] = setting(
        [],
        label="Exclude modules",
        help="Modules or towers that get no adapters although they match.",
        advanced=True,
    )
    use_rslora: bool = setting(
        False,
        label="rsLoRA",
        help="Scale by alpha / sqrt(r), which is more stable at high ranks.",
        advanced=True,
        affects_memory=False,
    )
    use_dora: bool = setting(
        False,
        label="DoRA",
        help="Train magnitude and direction separately: better at low ranks, slower.",
        advanced=True,
    )
    init_lora_weights: Literal[True, "gaussian", "eva", "olora", "pissa", "orthogonal"] = setting(
        True,
        label="Initialization",
        help="Initialization of the adapter matrices; with true, gaussian or eva, the model is "
        "unchanged at first. eva takes the principal components of what each layer reads in the "
        "rows to train on.",
        advanced=True,
    )
    init_from: str | None = setting(
        None,
        label="Start from adapter",
        help="Adapter to start from, for a second stage: a folder, a run, or a Hub id. It must be "
        "of the same model, rank, alpha and targets.",
        placeholder="new adapters",
        holds="path",
        advanced=True,
        affects_memory=False,
        in_preflight=True,
    )
    modules_to_save: list[str] = setting(
        [],
        label="Modules to save",
        help="Modules trained in full and saved with the adapter, such as lm_head.",
        advanced=True,
    )
    trainable_token_indices: list[int] = setting(
        [],
        label="Trained tokens",
        help="Ids of tokens whose embeddings are trained, such as new tags, without a copy of the "
        "whole vocabulary as modules_to_save would make.",
        advanced=True,
    )
    bias: Literal["none", "all", "lora_only"] = setting(
        "none", label="Bias", help="Bias vectors that are trained too.", advanced=True
    )
    layers_to_transform: list[int] = setting(
        [],
        label="Layers",
        help="Indices of the layers that get adapters; empty: all layers.",
        advanced=True,
    )
    rank_pattern: dict[str, int] = setting(
        {},
        label="Rank by module",
        help="Other ranks for modules by name or regular expression, such as q_proj=32.",
        advanced=True,
    )
    alpha_pattern: dict[str, int] = setting(
        {},
        label="Alpha by module",
        help="Other alphas for modules by name or regular expression.",
        advanced=True,
        affects_memory=False,
    )


class QuantizationSettings(Settings):
    """QLoRA: the frozen weights in 4 or 8 bits."""

    section = SectionInfo(
        title="QLoRA",
        summary="{bits}-bit",
        in_preflight=True,
        affects_memory=True,
        on_resume="reported",
    )

    enabled: bool = setting(
        False, label="Quantize", help="QLoRA: quantize the frozen weights with bitsandbytes."
    )
    bits: Literal[4, 8] = setting(4, label="Bits", help="Bits of a quantized weight.")
    towers: list[TowerName] = setting(
        ["language"],
        label="Quantized towers",
        help="Towers whose linear layers are quantized: language, vision, projector. A vision "
        "tower is small, so quantizing it saves little.",
        in_older_runs=list(TARGET_TOWERS),
    )
    quant_type: Literal["nf4", "fp4"] = setting("nf4", label="4-bit type", help="4-bit data type.")
    double_quant: bool = setting(
        True,
        label="Double quantization",
        help="Quantize the quantization constants too, which saves 0.4 bits per weight.",
    )
    compute_dtype: Literal["bfloat16", "float16", "float32"] = setting(
        "bfloat16",
        label="Compute dtype",
        help="Dtype that quantized weights are multiplied in.",
    )
    quant_storage: Literal["uint8", "bfloat16", "float16", "float32"] = setting(
        "uint8",
        label="Storage dtype",
        help="Dtype of the tensors that hold the 4-bit weights. It does not change the memory; "
        "FSDP requires that of model.dtype.",
        advanced=True,
    )
    quantize_experts: bool = setting(
        True,
        label="Quantize experts",
        help="Quantize fused mixture-of-experts weights as well (4-bit), except those that "
        "lora.target_parameters adapts.",
        advanced=True,
    )


class TextEncoderSettings(Settings):
    """A separate encoder for the instruction."""

    section = SectionInfo(summary="{type} {trainable}", in_preflight=True, affects_memory=True)

    enabled: bool = setting(
        False,
        label="Use a text encoder",
        help="Encode the instruction with a separate text model. The model then gets it as soft "
        "tokens only: the prompt contains the pages, not the text of the instruction.",
    )
    type: Literal["qwen3", "bert"] = setting(
        "qwen3",
        label="Architecture",
        help="Architecture of the encoder, as its checkpoint says; bert includes RoBERTa.",
    )
    name_or_path: str = setting(
        DEFAULT_ENCODER,
        label="Encoder",
        help="A Hub id, a checkpoint folder, builtin:tiny-qwen3 or builtin:tiny-bert.",
        holds="path",
    )
    revision: str | None = setting(
        None,
        label="Revision",
        help="Branch, tag or commit of the encoder's Hub repository.",
        advanced=True,
    )
    trainable: Literal["frozen", "lora", "full"] = setting(
        "frozen",
        label="Train encoder",
        help="Weights of the encoder that are trained: none, adapters of rank lora.r on every "
        "linear layer, or all. The projection to the model's width is always trained.",
    )
    learning_rate: float | None = setting(
        None,
        label="Encoder learning rate",
        help="Peak learning rate of the encoder's trained weights; none: training.learning_rate. "
        "All weights of a BERT need a lower one than adapters: 1e-5 to 5e-5.",
        placeholder="training.learning_rate",
        suggested=(1e-5, 2e-5, 5e-5, 1e-4, 2e-4),
        gt=0.0,
        advanced=True,
        affects_memory=False,
    )
    max_length: int = setting(
        256,
        label="Max instruction length",
        help="Longest instruction, in tokens of the encoder. A longer one is an error, it is "
        "never truncated.",
        unit="tokens",
        suggested=(64, 128, 256, 512),
        ge=1,
    )
    tokens: int = setting(
        1,
        label="Soft tokens",
        help="Maximum number of soft tokens for an instruction, which count towards "
        "data.max_length. 1: the state of the last token (qwen3) or of [CLS] (bert). More: one "
        "per token, or means of equal spans if there are more tokens.",
        unit="tokens",
        suggested=(1, 8, 16, 32),
        ge=1,
    )
