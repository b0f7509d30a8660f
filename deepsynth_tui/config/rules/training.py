"""Rules between the fields of a training run."""

from __future__ import annotations

from deepsynth_tui.config.model import DRAWN_INITS, TARGET_TOWERS
from deepsynth_tui.config.rules.fsdp import FSDP_RULES
from deepsynth_tui.config.rules.launch import LAUNCH_RULES
from deepsynth_tui.config.rules.output import OUTPUT_RULES
from deepsynth_tui.config.rules.precision import PRECISION_RULES
from deepsynth_tui.config.rules.rule import Rule, is_file_name, is_pattern
from deepsynth_tui.config.rules.schedule import SCHEDULE_RULES
from deepsynth_tui.config.rules.training_datasets import TRAINING_DATASET_RULES
from deepsynth_tui.config.training import TrainingConfig


def _targets(tower: str, config: TrainingConfig) -> bool:
    targets = config.lora.target_modules
    return tower in ([targets] if isinstance(targets, str) else targets)


TRAINING_RULES = (
    Rule(
        ("name",),
        lambda c: not is_file_name(c.name),
        "a run needs a name without slashes",
        "letters, digits, dots and dashes work everywhere",
    ),
    Rule(
        ("model.name_or_path",),
        lambda c: not c.model.name_or_path,
        "no model chosen",
        "a Hub id, a checkpoint folder, or builtin:tiny-vlm",
    ),
    Rule(
        ("model.trust_remote_code", "model.revision"),
        lambda c: c.model.trust_remote_code and not c.model.revision,
        "code from a model's repository runs only at a pinned revision",
        "set model.revision to the commit whose code you have read",
    ),
    Rule(
        ("model.min_pixels", "model.max_pixels"),
        lambda c: (
            c.model.min_pixels is not None
            and c.model.max_pixels is not None
            and c.model.min_pixels > c.model.max_pixels
        ),
        "is larger than model.max_pixels",
        "lower it, or leave one of the two unset",
    ),
    Rule(
        ("quantization.enabled", "lora.enabled"),
        lambda c: c.quantization.enabled and not c.lora.enabled,
        "quantized weights cannot be trained",
        "turn lora.enabled on, or quantization.enabled off",
    ),
    Rule(
        ("quantization.towers", "quantization.enabled"),
        lambda c: c.quantization.enabled and not c.quantization.towers,
        "no tower would be quantized",
        f"{', '.join(TARGET_TOWERS)}, or turn quantization.enabled off",
    ),
    Rule(
        ("lora.lora_dropout", "lora.target_parameters", "lora.enabled"),
        lambda c: c.lora.enabled and bool(c.lora.target_parameters) and c.lora.lora_dropout > 0,
        "PEFT has no dropout for adapters on lora.target_parameters",
        "set lora.lora_dropout to 0",
    ),
    Rule(
        ("lora.use_dora", "lora.target_parameters"),
        lambda c: c.lora.use_dora and bool(c.lora.target_parameters),
        "PEFT has no DoRA for lora.target_parameters",
        "turn lora.use_dora off, or leave lora.target_parameters empty",
    ),
    Rule(
        ("lora.init_lora_weights", "quantization.enabled"),
        lambda c: c.quantization.enabled and c.lora.init_lora_weights == "pissa",
        "PiSSA changes the base weights, which is not possible once they are quantized",
        "set it to true, gaussian, eva, olora or orthogonal, or turn quantization.enabled off",
    ),
    Rule(
        ("lora.init_from", "lora.enabled"),
        lambda c: bool(c.lora.init_from) and not c.lora.enabled,
        "names an adapter to start from, but no adapter is trained",
        "turn lora.enabled on, or merge the adapter and set model.name_or_path to the result",
    ),
    Rule(
        ("lora.init_lora_weights", "lora.init_from"),
        lambda c: bool(c.lora.init_from) and c.lora.init_lora_weights not in DRAWN_INITS,
        "has no effect on an adapter that is loaded (lora.init_from)",
        "set it to true",
    ),
    Rule(
        ("lora.init_lora_weights", "lora.target_parameters"),
        lambda c: c.lora.init_lora_weights == "eva" and bool(c.lora.target_parameters),
        "PEFT has no eva for adapters on lora.target_parameters",
        "set it to true, or leave lora.target_parameters empty",
    ),
    Rule(
        ("lora.init_lora_weights", "lora.trainable_token_indices"),
        lambda c: c.lora.init_lora_weights == "eva" and bool(c.lora.trainable_token_indices),
        "PEFT's eva would take the components of token ids (lora.trainable_token_indices)",
        "set it to true, or leave lora.trainable_token_indices empty",
    ),
    Rule(
        ("lora.init_lora_weights", "text_encoder.enabled"),
        lambda c: c.lora.init_lora_weights == "eva" and c.text_encoder.enabled,
        "eva runs the model before the text encoder is attached to it",
        "set it to true, or turn text_encoder.enabled off",
    ),
    Rule(
        ("training.padding_free", "text_encoder.enabled"),
        lambda c: c.training.padding_free and c.text_encoder.enabled,
        "a text encoder writes its soft tokens into padded rows",
        "turn it off, or turn text_encoder.enabled off",
    ),
    Rule(
        ("training.padding_free", "model.attn_implementation"),
        lambda c: c.training.padding_free and c.model.attn_implementation == "eager",
        "eager attention keeps scores between all rows of a micro-batch, more than padding takes",
        "turn it off, or set model.attn_implementation to sdpa or flash attention",
    ),
    Rule(
        ("training.padding_free", "training.use_liger_kernel"),
        lambda c: c.training.padding_free and c.training.use_liger_kernel,
        "losses without padding are not compared with Liger's kernels",
        "turn it off, or turn training.use_liger_kernel off",
    ),
    *PRECISION_RULES,
    Rule(
        ("lora.target_modules", "lora.target_parameters", "lora.enabled"),
        lambda c: c.lora.enabled and not c.lora.target_modules and not c.lora.target_parameters,
        "no module would get an adapter",
        "all-linear, towers, names such as q_proj, v_proj, or a regular expression",
    ),
    Rule(
        ("lora.target_modules", "model.freeze_vision_tower", "lora.enabled"),
        lambda c: c.lora.enabled and _targets("vision", c) and c.model.freeze_vision_tower,
        "names the vision tower, which model.freeze_vision_tower freezes",
        "turn model.freeze_vision_tower off, or leave vision out of lora.target_modules",
    ),
    Rule(
        ("lora.target_modules", "model.freeze_projector", "lora.enabled"),
        lambda c: c.lora.enabled and _targets("projector", c) and c.model.freeze_projector,
        "names the projector, which model.freeze_projector freezes",
        "turn model.freeze_projector off, or leave projector out of lora.target_modules",
    ),
    Rule(
        ("lora.target_modules",),
        lambda c: isinstance(c.lora.target_modules, str) and not is_pattern(c.lora.target_modules),
        "is not a valid regular expression",
        "all-linear, a tower, names such as q_proj, v_proj, or a regular expression like .*_proj",
    ),
    Rule(
        ("lora.rank_pattern",),
        lambda c: not all(map(is_pattern, c.lora.rank_pattern)),
        "contains a name that is not a valid regular expression",
        "names of modules such as q_proj, or regular expressions like .*_proj",
    ),
    Rule(
        ("lora.alpha_pattern",),
        lambda c: not all(map(is_pattern, c.lora.alpha_pattern)),
        "contains a name that is not a valid regular expression",
        "names of modules such as q_proj, or regular expressions like .*_proj",
    ),
    Rule(
        ("lora.modules_to_save",),
        lambda c: not all(map(is_pattern, c.lora.modules_to_save)),
        "contains a name that is not a valid regular expression",
        "names of modules such as q_proj, or regular expressions like .*_proj",
    ),
    Rule(
        ("lora.trainable_token_indices",),
        lambda c: any(index < 0 for index in c.lora.trainable_token_indices),
        "contains a negative id",
        "ids of the tokenizer count from 0",
    ),
    Rule(
        ("text_encoder.learning_rate", "text_encoder.trainable", "text_encoder.enabled"),
        lambda c: (
            c.text_encoder.enabled
            and c.text_encoder.learning_rate is not None
            and c.text_encoder.trainable == "frozen"
        ),
        "the text encoder is frozen, so there is nothing to learn at this rate",
        "set text_encoder.trainable to lora or full, or leave the rate unset",
    ),
    Rule(
        ("text_encoder.learning_rate", "training.optim", "text_encoder.enabled"),
        lambda c: (
            c.text_encoder.enabled
            and c.text_encoder.learning_rate is not None
            and c.training.optim == "muon"
        ),
        "muon has one learning rate for all weights",
        "choose another training.optim, or leave the rate unset",
    ),
    Rule(
        ("text_encoder.name_or_path", "text_encoder.enabled"),
        lambda c: c.text_encoder.enabled and not c.text_encoder.name_or_path,
        "no text encoder chosen",
        "a Hub id, a checkpoint folder, builtin:tiny-qwen3 or builtin:tiny-bert",
    ),
    Rule(
        ("data.path", "datasets"),
        lambda c: not c.data.path and not c.datasets,
        "no dataset chosen",
        "the folder of a dataset run, its id (see `deepsynth-tui runs`), or a Hub id",
        blocks_start_only=True,
    ),
    *TRAINING_DATASET_RULES,
    Rule(
        ("training.fp16", "training.bf16"),
        lambda c: c.training.fp16 and c.training.bf16,
        "fp16 and bf16 are mutually exclusive",
        "turn one of training.fp16 and training.bf16 off",
    ),
    Rule(
        ("training.eval_steps", "data.eval_fraction", "data.eval_path", "data.eval_split"),
        lambda c: c.training.eval_steps is not None and not c.data.evaluates,
        "there are no rows to evaluate on",
        "set data.eval_fraction, for example to 0.1, or data.eval_path",
    ),
    Rule(
        ("training.eval_on_start", "data.eval_fraction", "data.eval_path", "data.eval_split"),
        lambda c: c.training.eval_on_start and not c.data.evaluates,
        "there are no rows to evaluate on",
        "set data.eval_fraction, for example to 0.1, or data.eval_path",
    ),
    Rule(
        ("training.early_stopping_patience", "training.eval_steps"),
        lambda c: c.training.early_stopping_patience is not None and c.training.eval_steps is None,
        "early stopping needs evaluations during training",
        "set training.eval_steps, for example to 50",
    ),
    Rule(
        ("training.load_best_model_at_end", "training.eval_steps"),
        lambda c: c.training.load_best_model_at_end and c.training.eval_steps is None,
        "the best weights are chosen by evaluations during training",
        "set training.eval_steps, for example to 50",
    ),
    Rule(
        (
            "training.save_steps",
            "training.eval_steps",
            "training.early_stopping_patience",
            "training.load_best_model_at_end",
        ),
        lambda c: (
            c.training.keeps_best
            and c.training.eval_steps is not None
            and c.training.save_steps % c.training.eval_steps != 0
        ),
        "the run loads the best checkpoint at the end, so each checkpoint must have been evaluated",
        "make it a multiple of training.eval_steps",
    ),
    Rule(
        ("training.metric_for_best_model", "training.generate_eval_samples"),
        lambda c: (
            c.training.metric_for_best_model != "eval_loss" and not c.training.generate_eval_samples
        ),
        "is computed from generated answers, and no answers are generated",
        "set training.generate_eval_samples, for example to 8, or choose eval_loss",
    ),
    Rule(
        ("training.max_steps",),
        lambda c: c.training.max_steps == 0,
        "a run of 0 steps trains nothing",
        "set it to -1 to train for training.num_train_epochs",
    ),
    Rule(
        ("output.hub_model_id", "output.push_to_hub", "output.push_checkpoints"),
        lambda c: (c.output.push_to_hub or c.output.push_checkpoints) and not c.output.hub_model_id,
        "the upload needs a repository",
        "set it to owner/name",
    ),
    Rule(
        ("training.cache_features", "model.freeze_vision_tower", "model.freeze_projector"),
        lambda c: (
            c.training.cache_features == "on"
            and not (c.model.freeze_vision_tower and c.model.freeze_projector)
        ),
        "keeps what the vision tower and the projector make of a page, and one of them is trained",
        "set it to auto, or turn model.freeze_vision_tower and model.freeze_projector on",
    ),
    *SCHEDULE_RULES,
    *FSDP_RULES,
    *LAUNCH_RULES,
    *OUTPUT_RULES,
)
