"""The declaration of everything a training run can be told."""

from __future__ import annotations

from typing import Literal

from deepsynth_tui.config.fields import Settings, setting

DEFAULT_MODEL = "deepseek-community/DeepSeek-OCR-2"
DEFAULT_ENCODER = "Qwen/Qwen3-Embedding-0.6B"
TARGET_TOWERS = ("language", "vision", "projector")
"""Names in `lora.target_modules` that stand for every linear of a tower."""


class ModelSettings(Settings):
    """The model that is fine-tuned."""

    name_or_path: str = setting(
        DEFAULT_MODEL,
        help="Model to fine-tune: a Hub id, a checkpoint folder, or builtin:tiny-vlm.",
    )
    revision: str | None = setting(
        None, help="Branch, tag or commit of the Hub repository.", advanced=True
    )
    trust_remote_code: bool = setting(
        False,
        help="Run Python code from the model's repository. Needs a pinned revision.",
        advanced=True,
    )
    dtype: Literal["bfloat16", "float16", "float32"] = setting(
        "bfloat16", help="Number format of the weights that are not quantised."
    )
    attn_implementation: Literal["sdpa", "eager", "flash_attention_2"] = setting(
        "sdpa", help="Attention kernel.", advanced=True
    )
    freeze_vision_tower: bool = setting(
        True, help="Leave the vision encoder as it is and keep LoRA out of it."
    )
    freeze_projector: bool = setting(
        True, help="Leave the projector between vision and language as it is, without LoRA."
    )
    min_pixels: int | None = setting(
        None, help="Enlarge smaller page images to this area.", unit="pixels", ge=1, advanced=True
    )
    max_pixels: int | None = setting(
        None,
        help="Shrink larger page images to this area: the first remedy for lack of memory.",
        unit="pixels",
        ge=1,
        advanced=True,
    )


class LoraSettings(Settings):
    """Low-rank adapters: small trained matrices beside frozen weights."""

    enabled: bool = setting(True, help="Train adapters. Off: train every weight not frozen.")
    preset: str | None = setting(
        None, help="Preset that fills what is not set here (see `deepsynth-tui presets`)."
    )
    r: int = setting(
        16,
        help="Rank: the width of the adapter matrices. Higher learns more and takes more memory.",
        suggested=(4, 8, 16, 32, 64, 128),
        ge=1,
    )
    lora_alpha: int = setting(
        32,
        help="Scale of the adapter: its output is multiplied by alpha / r.",
        suggested=(8, 16, 32, 64, 128, 256),
        ge=1,
    )
    lora_dropout: float = setting(
        0.05,
        help="Share of adapter inputs dropped in training.",
        suggested=(0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5),
        ge=0.0,
        le=0.5,
    )
    target_modules: list[str] | str = setting(
        "all-linear",
        help="Which modules get adapters: all-linear (of every tower that is not frozen), towers "
        "(language, vision, projector), names such as q_proj, or a regex.",
    )
    target_parameters: list[str] = setting(
        [], help="Fused expert parameters that get adapters, e.g. mlp.experts.", advanced=True
    )
    exclude_modules: list[str] = setting(
        [], help="Modules or towers that get none although they match.", advanced=True
    )
    use_rslora: bool = setting(
        False, help="Scale by alpha / sqrt(r): steadier at high ranks.", advanced=True
    )
    use_dora: bool = setting(
        False,
        help="Train magnitude and direction apart: better at low rank, slower.",
        advanced=True,
    )
    init_lora_weights: Literal[True, "gaussian", "olora", "pissa", "orthogonal"] = setting(
        True, help="How adapter matrices begin; true leaves the model unchanged.", advanced=True
    )
    modules_to_save: list[str] = setting(
        [], help="Modules trained whole and saved with the adapter, e.g. lm_head.", advanced=True
    )
    bias: Literal["none", "all", "lora_only"] = setting(
        "none", help="Which bias vectors are trained too.", advanced=True
    )
    layers_to_transform: list[int] = setting(
        [], help="Layer numbers that get adapters; none listed: all.", advanced=True
    )
    rank_pattern: dict[str, int] = setting(
        {}, help="Other ranks for modules by name or regex, e.g. q_proj=32.", advanced=True
    )
    alpha_pattern: dict[str, int] = setting(
        {}, help="Other alphas for modules by name or regex.", advanced=True
    )


class QuantizationSettings(Settings):
    """QLoRA: the frozen weights in 4 or 8 bits."""

    enabled: bool = setting(False, help="Hold the frozen weights quantised (bitsandbytes).")
    bits: Literal[4, 8] = setting(4, help="Bits per weight.", unit="bits")
    quant_type: Literal["nf4", "fp4"] = setting("nf4", help="4-bit number format.")
    double_quant: bool = setting(True, help="Quantise the scales too: 0.4 bits per weight less.")
    compute_dtype: Literal["bfloat16", "float16", "float32"] = setting(
        "bfloat16", help="Format that quantised weights are multiplied in."
    )
    quant_storage: Literal["uint8", "bfloat16", "float16", "float32"] = setting(
        "uint8",
        help="Number format that the 4 bits are packed into: takes no more memory, and FSDP wants "
        "that of model.dtype.",
        advanced=True,
    )
    quantize_experts: bool = setting(
        True,
        help="Quantise fused mixture-of-experts weights as well (4-bit), but for those that "
        "lora.target_parameters adapts.",
        advanced=True,
    )


class TextEncoderSettings(Settings):
    """A second encoder that reads the instruction."""

    enabled: bool = setting(
        False,
        help="Let a model of its own read the instruction. The model gets it as soft tokens only: "
        "its prompt keeps the pages, without the text of the question.",
    )
    type: Literal["qwen3", "bert"] = setting(
        "qwen3", help="Family of the encoder, as its checkpoint says; bert includes RoBERTa."
    )
    name_or_path: str = setting(
        DEFAULT_ENCODER,
        help="A Hub id, a checkpoint folder, builtin:tiny-qwen3 or builtin:tiny-bert.",
    )
    revision: str | None = setting(
        None, help="Branch, tag or commit of the encoder's Hub repository.", advanced=True
    )
    trainable: Literal["frozen", "lora", "full"] = setting(
        "frozen",
        help="What of the encoder is trained: nothing, adapters of lora.r on every linear, or all "
        "weights. Its projection to the model's width always is.",
    )
    max_length: int = setting(
        256,
        help="Longest instruction, in tokens of the encoder. A longer one is refused, never cut.",
        unit="tokens",
        suggested=(64, 128, 256, 512),
        ge=1,
    )
    tokens: int = setting(
        1,
        help="Most soft tokens that an instruction takes of data.max_length. 1: its last token's "
        "state (qwen3) or [CLS] (bert). More: one for each of its tokens, or means of equal "
        "stretches where it has more.",
        unit="tokens",
        suggested=(1, 8, 16, 32),
        ge=1,
    )


class DataSettings(Settings):
    """The dataset, and which part of it is held out."""

    path: str = setting(
        "", help="Dataset: a folder that `generate` wrote, one of its runs, or a Hub id."
    )
    split: str = setting("train", help="Split of the dataset to train on.", advanced=True)
    eval_fraction: float = setting(
        0.0,
        help="Share of the rows held out for evaluation.",
        suggested=(0.0, 0.05, 0.1, 0.2),
        ge=0.0,
        lt=1.0,
    )
    split_seed: int = setting(42, help="Seed of that choice.", ge=0, advanced=True)
    image_column: str = setting("images", help="Column with the page images.", advanced=True)
    target_column: str = setting("target", help="Column with the text to learn.", advanced=True)
    instruction: str | None = setting(
        None, help="Asked beside the image, instead of what the dataset's messages ask."
    )
    max_length: int = setting(
        2048,
        help="Longest row, image and soft tokens included. Of longer ones on_too_long decides.",
        unit="tokens",
        suggested=(512, 1024, 2048, 4096, 8192),
        ge=16,
    )
    on_too_long: Literal["error", "drop", "shorten"] = setting(
        "error",
        help="Rows too long: refuse to start, leave them out (at most half), or cut their text.",
        advanced=True,
    )
    max_train_samples: int | None = setting(
        None, help="Train on this many rows at most.", unit="rows", ge=1, advanced=True
    )
    max_eval_samples: int | None = setting(
        None, help="Evaluate on this many rows at most.", unit="rows", ge=1, advanced=True
    )


class TrainingSettings(Settings):
    """The training loop. Names are those of `transformers.TrainingArguments`."""

    per_device_train_batch_size: int = setting(
        1, help="Rows in memory at once on each GPU.", unit="rows", suggested=(1, 2, 4, 8, 16), ge=1
    )
    gradient_accumulation_steps: int = setting(
        8,
        help="Batches added up before the weights move: a larger batch without the memory.",
        suggested=(1, 2, 4, 8, 16, 32),
        ge=1,
    )
    num_train_epochs: float = setting(
        3.0, help="Passes over the dataset.", unit="epochs", suggested=(1.0, 2.0, 3.0, 5.0), gt=0.0
    )
    max_steps: int = setting(
        -1, help="Stop after this many steps; -1: as many as the epochs take.", unit="steps", ge=-1
    )
    learning_rate: float = setting(
        2e-4,
        help="Size of a step.",
        suggested=(1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3),
        gt=0.0,
    )
    lr_scheduler_type: Literal[
        "linear", "cosine", "constant", "constant_with_warmup", "polynomial", "inverse_sqrt"
    ] = setting("cosine", help="How the learning rate runs over the steps.")
    warmup_steps: float = setting(
        0.03,
        help="Steps of rising learning rate; below 1, a share of all steps.",
        unit="steps",
        ge=0.0,
    )
    weight_decay: float = setting(0.0, help="Pull of the weights towards zero.", ge=0.0)
    max_grad_norm: float = setting(
        1.0, help="Longer gradients are shortened to this; 0: never.", ge=0.0, advanced=True
    )
    optim: Literal[
        "adamw_torch",
        "adamw_torch_fused",
        "adamw_8bit",
        "paged_adamw_8bit",
        "paged_adamw_32bit",
        "lion_8bit",
        "adafactor",
        "sgd",
        "muon",
    ] = setting(
        "adamw_torch",
        help="Optimizer; the 8-bit and paged ones take less memory. muon is for training whole "
        "models from nothing.",
    )
    bf16: bool = setting(True, help="Compute in bfloat16 where the weights are wider.")
    fp16: bool = setting(False, help="Compute in float16, for GPUs without bfloat16.")
    gradient_checkpointing: bool = setting(
        True, help="Compute activations twice instead of keeping them: far less memory, slower."
    )
    use_liger_kernel: bool = setting(
        False,
        help="Use Liger's fused kernels where liger-kernel is installed and knows the model: less "
        "memory for the logits, which estimates do not count off.",
        advanced=True,
    )
    train_sampling_strategy: Literal["random", "sequential", "group_by_length"] = setting(
        "random",
        help="Order of the rows; group_by_length puts rows of like length together: less padding.",
        advanced=True,
    )
    dataloader_num_workers: int = setting(
        0,
        help="Processes that prepare batches ahead, where the log shows much waiting for data.",
        unit="processes",
        suggested=(0, 2, 4, 8),
        ge=0,
        advanced=True,
    )
    logging_steps: int = setting(
        1, help="Steps between two points of the loss curve.", unit="steps", ge=1, advanced=True
    )
    eval_steps: int | None = setting(
        None, help="Steps between evaluations; none: at the end.", unit="steps", ge=1
    )
    eval_on_start: bool = setting(
        False, help="Evaluate before the first step too: what the base scores.", advanced=True
    )
    save_steps: int = setting(
        200, help="Steps between checkpoints.", unit="steps", suggested=(50, 100, 200, 500), ge=1
    )
    save_total_limit: int = setting(
        2, help="Checkpoints kept; older ones are deleted.", unit="checkpoints", ge=1
    )
    generate_eval_samples: int = setting(
        8,
        help="Held-out rows answered at each evaluation, for exact match, ROUGE-L and character "
        "errors.",
        unit="rows",
        suggested=(0, 8, 16, 32),
        ge=0,
        advanced=True,
    )
    show_samples: int = setting(
        1,
        help="Held-out rows that are shown before and after training: page and answers.",
        unit="rows",
        suggested=(1, 3, 5),
        ge=1,
        advanced=True,
    )
    load_best_model_at_end: bool = setting(
        False,
        help="Keep the weights of the best evaluation, not the last. Early stopping does so too.",
        advanced=True,
    )
    metric_for_best_model: Literal["eval_loss", "eval_cer", "eval_rouge_l", "eval_exact_match"] = (
        setting(
            "eval_loss",
            help="What is best: least loss, fewest character errors (cer), highest ROUGE-L, or "
            "most answers without any error (exact_match).",
            advanced=True,
        )
    )
    early_stopping_patience: int | None = setting(
        None,
        help="Evaluations without a better metric_for_best_model before the run stops.",
        ge=1,
        advanced=True,
    )
    seed: int = setting(42, help="Seed of initial adapters, dropout and row order.", ge=0)
    report_to: Literal["none", "tensorboard", "trackio", "wandb"] = setting(
        "none",
        help="Tracker that metrics go to besides the run's own events, under the run's id. "
        "Files of tensorboard and wandb lie in the run's folder.",
        advanced=True,
    )
    num_processes: int = setting(
        1,
        help="Processes that train together, one per GPU, each with batches of its own.",
        suggested=(1, 2, 4, 8),
        ge=1,
        advanced=True,
    )
    fsdp: bool = setting(
        False,
        help="Share the frozen layers out among these processes (FSDP2), for a model too large for "
        "one GPU. Each layer is gathered while it computes; adapters stay whole in each.",
        advanced=True,
    )

    @property
    def keeps_best(self) -> bool:
        """Whether the weights that are saved at the end are those of the best evaluation."""
        return self.load_best_model_at_end or self.early_stopping_patience is not None


class OutputSettings(Settings):
    """Where the run and its adapter go."""

    dir: str | None = setting(
        None, help="Folder of the run; none: a new one among the runs of this machine."
    )
    push_to_hub: bool = setting(
        False, help="Upload the adapter, with its card and metrics, to the Hub at the end."
    )
    push_checkpoints: bool = setting(
        False,
        help="Upload each checkpoint as well, as last-checkpoint, while the run goes on.",
        advanced=True,
    )
    hub_model_id: str | None = setting(
        None, help="Repository of that upload, as owner/name.", advanced=True
    )
    hub_private: bool = setting(True, help="Make that repository private.", advanced=True)


class TrainingConfig(Settings):
    """A training run."""

    kind: Literal["training"] = "training"
    name: str = setting("my-run", help="Name of the run, shown in lists.")
    model: ModelSettings = ModelSettings()
    lora: LoraSettings = LoraSettings()
    quantization: QuantizationSettings = QuantizationSettings()
    text_encoder: TextEncoderSettings = TextEncoderSettings()
    data: DataSettings = DataSettings()
    training: TrainingSettings = TrainingSettings()
    output: OutputSettings = OutputSettings()
