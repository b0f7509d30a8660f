"""What no field can know alone: rules between fields, each a pure function.

A rule is passed over while one of the keys it reads has no valid value of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping

from deepsynth_tui.config import instruction_template, unicode_scripts
from deepsynth_tui.config.dataset import DatasetConfig, SourceSettings
from deepsynth_tui.config.problems import Problem
from deepsynth_tui.config.rules.fsdp import FSDP_RULES
from deepsynth_tui.config.rules.rule import Rule
from deepsynth_tui.config.training import TrainingConfig

Config = TrainingConfig | DatasetConfig


TRAINING_RULES = (
    Rule(
        ("name",),
        lambda c: not _is_file_name(c.name),
        "a run needs a name without slashes",
        "letters, digits, dots and dashes are safe everywhere",
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
        "code from a model's repository runs only for a pinned revision",
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
        "make it smaller, or leave one of the two unset",
    ),
    Rule(
        ("quantization.enabled", "lora.enabled"),
        lambda c: c.quantization.enabled and not c.lora.enabled,
        "quantised weights cannot be trained themselves",
        "turn lora.enabled on, or quantization.enabled off",
    ),
    Rule(
        ("lora.lora_dropout", "lora.target_parameters", "lora.enabled"),
        lambda c: c.lora.enabled and bool(c.lora.target_parameters) and c.lora.lora_dropout > 0,
        "PEFT cannot drop inputs of adapters on lora.target_parameters",
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
        "changes the frozen weights, which cannot be done once they are quantised",
        "set it to true, gaussian, olora or orthogonal, or turn quantization.enabled off",
    ),
    Rule(
        ("training.fp16", "model.dtype", "lora.enabled"),
        lambda c: c.training.fp16 and not c.lora.enabled and c.model.dtype == "float16",
        "weights that are trained themselves need more than float16",
        "set model.dtype to float32",
    ),
    Rule(
        ("lora.target_modules", "lora.target_parameters", "lora.enabled"),
        lambda c: c.lora.enabled and not c.lora.target_modules and not c.lora.target_parameters,
        "nothing would get an adapter",
        "all-linear, towers, names such as q_proj, v_proj, or a regular expression",
    ),
    Rule(
        ("lora.target_modules", "model.freeze_vision_tower", "lora.enabled"),
        lambda c: c.lora.enabled and _targets("vision", c) and c.model.freeze_vision_tower,
        "names the vision tower, which model.freeze_vision_tower leaves as it is",
        "turn model.freeze_vision_tower off, or leave vision out of lora.target_modules",
    ),
    Rule(
        ("lora.target_modules", "model.freeze_projector", "lora.enabled"),
        lambda c: c.lora.enabled and _targets("projector", c) and c.model.freeze_projector,
        "names the projector, which model.freeze_projector leaves as it is",
        "turn model.freeze_projector off, or leave projector out of lora.target_modules",
    ),
    Rule(
        ("lora.target_modules",),
        lambda c: isinstance(c.lora.target_modules, str) and not _is_pattern(c.lora.target_modules),
        "is no regular expression",
        "all-linear, a tower, names such as q_proj, v_proj, or a regular expression like .*_proj",
    ),
    Rule(
        ("lora.rank_pattern",),
        lambda c: not all(map(_is_pattern, c.lora.rank_pattern)),
        "holds a name that is no regular expression",
        "names of modules such as q_proj, or regular expressions like .*_proj",
    ),
    Rule(
        ("lora.alpha_pattern",),
        lambda c: not all(map(_is_pattern, c.lora.alpha_pattern)),
        "holds a name that is no regular expression",
        "names of modules such as q_proj, or regular expressions like .*_proj",
    ),
    Rule(
        ("lora.modules_to_save",),
        lambda c: not all(map(_is_pattern, c.lora.modules_to_save)),
        "holds a name that is no regular expression",
        "names of modules such as q_proj, or regular expressions like .*_proj",
    ),
    Rule(
        ("text_encoder.trainable", "text_encoder.enabled", "training.fp16", "model.dtype"),
        lambda c: (
            c.text_encoder.enabled
            and c.text_encoder.trainable == "full"
            and c.training.fp16
            and c.model.dtype == "float16"
        ),
        "weights that are trained themselves need more than float16",
        "set it to lora or frozen, or model.dtype to float32",
    ),
    Rule(
        ("text_encoder.name_or_path", "text_encoder.enabled"),
        lambda c: c.text_encoder.enabled and not c.text_encoder.name_or_path,
        "no text encoder chosen",
        "a Hub id, a checkpoint folder, builtin:tiny-qwen3 or builtin:tiny-bert",
    ),
    Rule(
        ("data.path",),
        lambda c: not c.data.path,
        "no dataset chosen",
        "the folder of a dataset run, its id (see `deepsynth-tui runs`), or a Hub id",
        of_starting=True,
    ),
    Rule(
        ("training.fp16", "training.bf16"),
        lambda c: c.training.fp16 and c.training.bf16,
        "float16 and bfloat16 exclude each other",
        "turn training.fp16 or training.bf16 off",
    ),
    Rule(
        ("training.eval_steps", "data.eval_fraction"),
        lambda c: c.training.eval_steps is not None and not c.data.eval_fraction,
        "there are no rows to evaluate on",
        "set data.eval_fraction, for example to 0.1",
    ),
    Rule(
        ("training.eval_on_start", "data.eval_fraction"),
        lambda c: c.training.eval_on_start and not c.data.eval_fraction,
        "there are no rows to evaluate on",
        "set data.eval_fraction, for example to 0.1",
    ),
    Rule(
        ("training.early_stopping_patience", "training.eval_steps"),
        lambda c: c.training.early_stopping_patience is not None and c.training.eval_steps is None,
        "early stopping needs evaluations",
        "set training.eval_steps, for example to 50",
    ),
    Rule(
        ("training.load_best_model_at_end", "training.eval_steps"),
        lambda c: c.training.load_best_model_at_end and c.training.eval_steps is None,
        "the best weights are found by evaluations",
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
        "the run returns to the best checkpoint, so each must have been evaluated",
        "make it a multiple of training.eval_steps",
    ),
    Rule(
        ("training.metric_for_best_model", "training.generate_eval_samples"),
        lambda c: (
            c.training.metric_for_best_model != "eval_loss" and not c.training.generate_eval_samples
        ),
        "is computed from generated answers, and none are generated",
        "set training.generate_eval_samples, for example to 8, or choose eval_loss",
    ),
    Rule(
        ("training.max_steps",),
        lambda c: c.training.max_steps == 0,
        "a run of no steps trains nothing",
        "-1: as many as the epochs take",
    ),
    Rule(
        ("output.hub_model_id", "output.push_to_hub", "output.push_checkpoints"),
        lambda c: (c.output.push_to_hub or c.output.push_checkpoints) and not c.output.hub_model_id,
        "the upload needs a repository",
        "set it to owner/name",
    ),
    *FSDP_RULES,
)

DATASET_RULES = (
    Rule(
        ("name",),
        lambda c: not _is_file_name(c.name),
        "a dataset needs a name without slashes",
        "letters, digits, dots and dashes are safe everywhere",
    ),
    Rule(
        ("source.path", "sources"),
        lambda c: not c.source.path and not c.sources,
        "no documents chosen",
        "a CSV, JSONL or Parquet file, a folder of .txt, .md, .html or .pdf, a Hub id, "
        "or builtin:sample",
    ),
    Rule(
        ("sources", "source.path"),
        lambda c: c.sources and c.source != SourceSettings(),
        "source is set too: a dataset is made of one or the other",
        "move source into the list of sources, or take sources out",
    ),
    Rule(
        ("sources",),
        lambda c: next((n for n, one in enumerate(c.sources, 1) if not one.path), 0),
        "number {} has no path",
        "a file, a folder, a Hub id, or builtin:sample",
    ),
    Rule(
        ("instructions", "instruction"),
        lambda c: c.instructions and c.instruction is not None,
        "instruction is set too: a dataset has one or several",
        "move it into instructions, with a weight",
    ),
    Rule(
        ("instructions",),
        lambda c: _without_weight(c.instructions),
        "a weight must be above 0, which it is not for {}",
        "take out what is not wanted",
    ),
    Rule(
        ("page.fonts",),
        lambda c: _without_weight(c.page.fonts or {}),
        "a weight must be above 0, which it is not for {}",
        "take out what is not wanted",
    ),
    *(
        Rule(
            (key,),
            broken,
            "a brace opens or closes nothing: {}",
            "write {column} for a column of the row, {{ and }} for braces",
        )
        for key, broken in (
            ("instruction", lambda c: _bad_braces([c.instruction or ""])),
            ("instructions", lambda c: _bad_braces(c.instructions)),
        )
    ),
    Rule(
        ("filter.min_characters", "filter.max_characters"),
        lambda c: (c.filter.min_characters or 0) > (c.filter.max_characters or math.inf),
        "is above filter.max_characters: no document would be left",
        "set it lower",
    ),
    Rule(
        ("filter.scripts",),
        lambda c: ", ".join(
            name for name in c.filter.scripts if not unicode_scripts.is_script(name)
        ),
        "Unicode has no script called {}",
        "such as Latin, Greek, Cyrillic, Arabic, Hebrew, Devanagari, Thai, Hangul, Hiragana, Han",
    ),
    Rule(
        ("page.width", "page.height"),
        lambda c: (c.page.width is None) != (c.page.height is None),
        "page.width and page.height go together",
        "set both, or neither to use page.preset",
    ),
    Rule(
        ("output.hub_repo_id", "output.push_to_hub"),
        lambda c: c.output.push_to_hub and not c.output.hub_repo_id,
        "the upload needs a repository",
        "set it to owner/name",
    ),
)


def broken_rules(
    config: Config, unusable: Collection[str], *, starting: bool = True
) -> list[Problem]:
    """Return a problem for each rule that `config` breaks, in the order of the rules.

    `unusable` are dotted keys whose value in `config` only stands in for an invalid one. Without
    `starting`, rules that only keep a run from starting are left out.
    """
    rules = TRAINING_RULES if isinstance(config, TrainingConfig) else DATASET_RULES
    return [
        Problem(rule.reads[0], rule.message.replace("{}", str(found)), rule.hint)
        for rule in rules
        if (starting or not rule.of_starting)
        and not any(key in unusable for key in rule.reads)
        and (found := rule.broken(config))
    ]


def _is_file_name(name: str) -> bool:
    return bool(name.strip(". ")) and name.isprintable() and "/" not in name and "\\" not in name


def _targets(tower: str, config: TrainingConfig) -> bool:
    named = config.lora.target_modules
    return tower in ([named] if isinstance(named, str) else named)


def _without_weight(weights: Mapping[str, float]) -> str:
    return ", ".join(repr(name) for name, weight in weights.items() if weight <= 0)


def _bad_braces(instructions: Iterable[str]) -> str:
    for text in instructions:
        try:
            instruction_template.parse(text)
        except instruction_template.TemplateError as error:
            return str(error)
    return ""


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True
