"""The declaration of every setting of a training run.

The sections about the model are in `config.model`.
"""

from __future__ import annotations

from typing import Literal

from deepsynth_tui.config.data import DataSettings, MixedDataset, RowSettings
from deepsynth_tui.config.launch import LaunchSettings
from deepsynth_tui.config.model import (
    LoraSettings,
    ModelSettings,
    QuantizationSettings,
    TextEncoderSettings,
)
from deepsynth_tui.config.setting import SectionInfo, Settings, setting


class TrainingSettings(Settings):
    """The training loop. The names are those of `transformers.TrainingArguments`."""

    per_device_train_batch_size: int = setting(
        1,
        label="Batch size",
        help="Rows per forward pass on each GPU.",
        unit="rows",
        suggested=(1, 2, 4, 8, 16),
        ge=1,
        affects_memory=True,
        on_resume="free",
    )
    per_device_eval_batch_size: int = setting(
        8,
        label="Evaluation batch size",
        help="Rows per batch in evaluations, in which no gradients are computed.",
        unit="rows",
        suggested=(1, 2, 4, 8, 16),
        ge=1,
        affects_memory=True,
        on_resume="free",
        advanced=True,
    )
    gradient_accumulation_steps: int = setting(
        8,
        label="Accumulation",
        help="Gradient accumulation: batches per optimizer step, the effect of a larger batch "
        "without its memory.",
        suggested=(1, 2, 4, 8, 16, 32),
        ge=1,
        affects_memory=True,
        on_resume="free",
    )
    num_train_epochs: float = setting(
        3.0,
        label="Epochs",
        help="Passes over the dataset.",
        unit="epochs",
        suggested=(1.0, 2.0, 3.0, 5.0),
        gt=0.0,
        on_resume="reported",
    )
    max_steps: int = setting(
        -1,
        label="Max steps",
        help="Stop after this many steps; -1: train for num_train_epochs.",
        unit="steps",
        ge=-1,
        on_resume="reported",
    )
    learning_rate: float = setting(
        2e-4,
        label="Learning rate",
        help="Peak learning rate. The rate beside it is the rule of tinker-cookbook for the width "
        "of the model and the rows of a step.",
        suggested=(1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3),
        gt=0.0,
    )
    vision_learning_rate: float | None = setting(
        None,
        label="Vision learning rate",
        help="Peak learning rate of the vision tower, often a tenth of the language model's.",
        placeholder="training.learning_rate",
        suggested=(1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4),
        gt=0.0,
        advanced=True,
    )
    projector_learning_rate: float | None = setting(
        None,
        label="Projector learning rate",
        help="Peak learning rate of the projector between vision and language.",
        placeholder="training.learning_rate",
        suggested=(1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4),
        gt=0.0,
        advanced=True,
    )
    loraplus_lr_ratio: float | None = setting(
        None,
        label="LoRA+ ratio",
        help="Learning rate of the LoRA matrices B over that of the matrices A, which is the "
        "learning rate; its paper uses 16, with a lower learning rate.",
        placeholder="1: no LoRA+",
        suggested=(1.0, 2.0, 4.0, 8.0, 16.0),
        ge=1.0,
        advanced=True,
    )
    lr_scheduler_type: Literal[
        "linear",
        "cosine",
        "cosine_with_min_lr",
        "constant",
        "constant_with_warmup",
        "warmup_stable_decay",
        "polynomial",
        "inverse_sqrt",
    ] = setting("cosine", label="LR schedule", help="How the learning rate changes over the steps.")
    lr_scheduler_kwargs: dict[str, int | float | str] = setting(
        {},
        label="LR schedule arguments",
        help="Arguments of the schedule: min_lr or min_lr_rate of cosine_with_min_lr, "
        "num_decay_steps of warmup_stable_decay, power of polynomial.",
        advanced=True,
    )
    warmup_steps: float = setting(
        0.03,
        label="Warmup",
        help="Steps of rising learning rate; below 1: a fraction of all steps.",
        unit="steps",
        ge=0.0,
    )
    weight_decay: float = setting(0.0, label="Weight decay", help="Weight decay.", ge=0.0)
    max_grad_norm: float = setting(
        1.0,
        label="Gradient clipping",
        help="Maximum gradient norm; larger gradients are clipped. 0: no clipping.",
        ge=0.0,
        advanced=True,
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
        label="Optimizer",
        help="Optimizer; the 8-bit and paged ones take less memory. muon is for training whole "
        "models from scratch.",
        affects_memory=True,
    )
    bf16: bool = setting(
        True,
        label="bf16 mixed precision",
        help="Compute in bfloat16 if the weights have a wider dtype.",
        affects_memory=True,
    )
    fp16: bool = setting(
        False,
        label="fp16 mixed precision",
        help="Compute in float16, for GPUs without bfloat16.",
        affects_memory=True,
    )
    gradient_checkpointing: Literal["auto", True, False, "offloaded"] = setting(
        "auto",
        label="Gradient checkpointing",
        help="Recompute activations in the backward pass instead of storing them: far less "
        "memory, slower. auto: only if the run is estimated not to fit the GPU without. offloaded: "
        "recompute, and keep the inputs of the layers in main memory: less for long rows and large "
        "batches, slower by the copies.",
        affects_memory=True,
        on_resume="free",
    )
    checkpoint_every_n_layers: int = setting(
        1,
        label="Recompute every",
        help="With gradient checkpointing, recompute every n-th layer and store the activations of "
        "the others.",
        unit="layers",
        suggested=(1, 2, 3, 4),
        ge=1,
        advanced=True,
        affects_memory=True,
        on_resume="free",
    )
    cache_features: Literal["auto", "on", "off"] = setting(
        "auto",
        label="Page features",
        help="Compute what the frozen vision tower and projector make of a page once, and keep it "
        "on disk for all epochs, evaluations and later runs. auto: where it saves time.",
        affects_memory=True,
        on_resume="free",
        in_older_runs="off",
        advanced=True,
    )
    use_liger_kernel: bool = setting(
        False,
        label="Liger kernels",
        help="Use Liger's fused kernels if liger-kernel is installed and supports the model: less "
        "memory for the logits, which estimates do not account for.",
        advanced=True,
    )
    train_sampling_strategy: Literal["random", "sequential", "group_by_length"] = setting(
        "random",
        label="Sampling",
        help="Order of the rows; group_by_length batches rows of similar length: less padding.",
        advanced=True,
    )
    padding_free: bool = setting(
        False,
        label="Padding-free",
        help="Put the rows of a micro-batch one after the other instead of padding them to the "
        "longest, in training and evaluations. Each row sees itself only, so losses stay the same; "
        "the job compares that when it starts, and refuses models that let rows see each other.",
        affects_memory=True,
        on_resume="free",
        advanced=True,
    )
    dataloader_num_workers: int | None = setting(
        None,
        label="Data loader workers",
        help="Processes that decode pages and prepare batches ahead, per GPU; none: one for each "
        "CPU core of the GPU, at most 8, and 0 when training on the CPU. The data wait of a run "
        "says how long the GPU waits for them.",
        unit="processes",
        placeholder="as many as the CPU cores allow",
        suggested=(0, 2, 4, 8),
        ge=0,
        advanced=True,
        on_resume="free",
    )
    logging_steps: int = setting(
        1,
        label="Log every",
        help="Steps between two points of the loss curve.",
        unit="steps",
        ge=1,
        advanced=True,
    )
    eval_steps: int | None = setting(
        None,
        label="Evaluate every",
        help="Steps between evaluations; none: only at the end.",
        unit="steps",
        ge=1,
    )
    eval_on_start: bool = setting(
        False,
        label="Evaluate at start",
        help="Evaluate the base model before the first step too.",
        advanced=True,
    )
    save_steps: int = setting(
        200,
        label="Checkpoint every",
        help="Steps between checkpoints.",
        unit="steps",
        suggested=(50, 100, 200, 500),
        ge=1,
    )
    save_total_limit: int = setting(
        2,
        label="Checkpoints to keep",
        help="Number of checkpoints that are kept; older ones are deleted.",
        unit="checkpoints",
        ge=1,
        on_resume="free",
    )
    generate_eval_samples: int = setting(
        8,
        label="Generated eval rows",
        help="Held-out rows that are answered by generation at each evaluation, for exact match, "
        "ROUGE-L and character error rate.",
        unit="rows",
        suggested=(0, 8, 16, 32),
        ge=0,
        advanced=True,
    )
    show_samples: int = setting(
        1,
        label="Samples to show",
        help="Held-out rows that are shown before and after training, with page and answers.",
        unit="rows",
        suggested=(1, 3, 5),
        ge=1,
        advanced=True,
    )
    load_best_model_at_end: bool = setting(
        False,
        label="Keep best model",
        help="Keep the weights of the best evaluation, not the last ones. Early stopping implies "
        "it.",
        advanced=True,
    )
    metric_for_best_model: Literal["eval_loss", "eval_cer", "eval_rouge_l", "eval_exact_match"] = (
        setting(
            "eval_loss",
            label="Best-model metric",
            help="Metric that decides which evaluation is best: lowest loss, lowest character "
            "error rate (cer), highest ROUGE-L, or most exact matches.",
            advanced=True,
        )
    )
    early_stopping_patience: int | None = setting(
        None,
        label="Early stopping patience",
        help="Evaluations without improvement of metric_for_best_model before the run stops.",
        ge=1,
        advanced=True,
    )
    seed: int = setting(
        42,
        label="Seed",
        help="Seed for adapter initialization, dropout and the order of the rows.",
        ge=0,
    )
    report_to: Literal["none", "tensorboard", "trackio", "wandb"] = setting(
        "none",
        label="Experiment tracker",
        help="Tracker that gets the metrics besides the run's own event log, under the run's id. "
        "tensorboard and wandb write their files into the run folder.",
        advanced=True,
        on_resume="free",
    )
    num_processes: int = setting(
        1,
        label="Processes (GPUs)",
        help="Data-parallel processes, one per GPU, each with its own batches; on all nodes "
        "together (launch.nodes).",
        suggested=(1, 2, 4, 8),
        ge=1,
        advanced=True,
        affects_memory=True,
    )
    fsdp: bool = setting(
        False,
        label="FSDP",
        help="Shard the frozen layers of the language model across these processes (FSDP2), for "
        "one too large for a GPU. Each layer is gathered while it computes; adapters and vision "
        "tower are whole on each.",
        advanced=True,
        affects_memory=True,
        on_resume="free",
    )

    @property
    def keeps_best(self) -> bool:
        """Whether the weights saved at the end are those of the best evaluation."""
        return self.load_best_model_at_end or self.early_stopping_patience is not None


class OutputSettings(Settings):
    """Where the run and its adapter are written."""

    section = SectionInfo(summary="{dir}", preset_resets=False, in_preflight=True, on_resume="free")

    dir: str | None = setting(
        None,
        label="Run folder",
        help="Folder of the run; none: a new folder among the runs of this machine.",
        placeholder="a new folder among the runs",
        holds="path",
    )
    push_to_hub: bool = setting(
        False,
        label="Push to Hub",
        help="Upload the adapter, with its model card and metrics, to the Hub at the end.",
    )
    push_checkpoints: bool = setting(
        False,
        label="Push checkpoints",
        help="Upload each checkpoint as well, as last-checkpoint, during training.",
        advanced=True,
    )
    hub_model_id: str | None = setting(
        None,
        label="Hub repository",
        help="Repository to upload to, as owner/name.",
        advanced=True,
    )
    hub_private: bool = setting(
        True, label="Private repository", help="Make the repository private.", advanced=True
    )


class TrainingConfig(Settings):
    """A training run."""

    kind: Literal["training"] = "training"
    name: str = setting(
        "my-run", label="Name", help="Name of the run, shown in lists.", on_resume="free"
    )
    model: ModelSettings = ModelSettings()
    lora: LoraSettings = LoraSettings()
    quantization: QuantizationSettings = QuantizationSettings()
    text_encoder: TextEncoderSettings = TextEncoderSettings()
    data: DataSettings = DataSettings()
    datasets: list[MixedDataset] = setting(
        [],
        label="Datasets",
        help="Several datasets in place of data.path, each with the same keys and a weight.",
        yaml_only=True,
        in_preflight=True,
    )
    training: TrainingSettings = TrainingSettings()
    launch: LaunchSettings = LaunchSettings()
    output: OutputSettings = OutputSettings()

    @property
    def processes_per_node(self) -> int:
        """The data-parallel processes on each node."""
        return self.training.num_processes // self.launch.nodes

    @property
    def all_datasets(self) -> tuple[RowSettings, ...]:
        """The datasets to train on, whether one or several."""
        return tuple(self.datasets) or (self.data,)

    @property
    def dataset_paths(self) -> str:
        """The paths of all datasets to train on, for a sentence; empty if there is none."""
        return ", ".join(dataset.path for dataset in self.all_datasets)
