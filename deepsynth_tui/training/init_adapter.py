"""`lora.init_from`: an existing adapter that training starts from. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from deepsynth_tui import builtin
from deepsynth_tui.config.model import INITS_THAT_KEEP_BASE_WEIGHTS
from deepsynth_tui.config.problems import Problem
from deepsynth_tui.errors import UserError
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.result.file_names import ADAPTER_WEIGHTS, PEFT_CONFIG
from deepsynth_tui.training.stored_adapter import (
    AdapterNotFound,
    StoredAdapter,
    download_adapter,
    find_adapter_on_this_machine,
)
from deepsynth_tui.training.text_encoder import ENCODER_FOLDER

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.result.checkpoints import ResumePoint

KEY = "lora.init_from"
SHAPE_SETTINGS = (
    "r",
    "lora_alpha",
    "use_rslora",
    "use_dora",
    "bias",
    "rank_pattern",
    "alpha_pattern",
    "modules_to_save",
    "trainable_token_indices",
)
"""Settings that must be those of the adapter: they decide its tensors or their scale."""
FILES = (PEFT_CONFIG, ADAPTER_WEIGHTS, f"{ENCODER_FOLDER}/*")


def adapter_to_start_from(
    config: TrainingConfig, checkpoint: ResumePoint | None
) -> StoredAdapter | None:
    """Return the adapter of `lora.init_from`, downloaded if need be.

    None without one, and if the run resumes from `checkpoint`, which has its weights.

    Raises:
        TrainingError: there is no such adapter, or it does not fit the configuration.
    """
    name = config.lora.init_from
    if not name or (checkpoint is not None and checkpoint.path is not None):
        return None
    try:
        adapter = find_init_adapter(name, download=True)
    except UserError as error:
        raise TrainingError(error.message, error.advice, error.key) from error
    assert adapter is not None  # it was downloaded
    if problems := init_adapter_problems(adapter, config):
        text = "; ".join(f"{problem.key} {problem.message}" for problem in problems)
        hints = "; ".join(f"{problem.key}: {problem.hint}" for problem in problems)
        raise TrainingError(text, hints, problems[0].key)
    return adapter


def find_init_adapter(name: str, *, download: bool) -> StoredAdapter | None:
    """Return the adapter in a folder, of a run (by path, id or name), or on the Hub.

    Without `download`, one that is only on the Hub is None.

    Raises:
        UserError: there is no such adapter.
    """
    try:
        stored = find_adapter_on_this_machine(name)
        return download_adapter(name, FILES) if stored is None and download else stored
    except AdapterNotFound as error:
        raise UserError(f"{KEY}: {error.message}", error.advice, KEY) from error


def init_adapter_problems(adapter: StoredAdapter, config: TrainingConfig) -> list[Problem]:
    """Return why a run of `config` cannot start from the adapter."""
    return list(_problems(adapter, config))


def _problems(adapter: StoredAdapter, config: TrainingConfig) -> Iterator[Problem]:
    theirs = adapter.peft_config
    if (kind := theirs.get("peft_type")) != "LORA":
        yield Problem(KEY, f"{adapter.name} is a {kind} adapter, not a LoRA", "choose another")
        return
    base = theirs.get("base_model_name_or_path")
    if not _is_same_model(config.model.name_or_path, str(base)):
        yield Problem(
            KEY,
            f"{adapter.name} was trained on {base}, not on {config.model.name_or_path}",
            f"set model.name_or_path to {base}, or choose an adapter of this model",
        )
    init = theirs.get("init_lora_weights", True)
    if init not in (*INITS_THAT_KEEP_BASE_WEIGHTS, False, "orthogonal"):
        yield Problem(
            KEY,
            f"{adapter.name} was initialized with {init}, which changed the base weights under it",
            "merge it into its base model, and start from that",
        )
    for name in SHAPE_SETTINGS:
        ours, its = getattr(config.lora, name), theirs.get(name)
        if (its or None) != (ours or None):
            shown = json.dumps(its)
            yield Problem(
                f"lora.{name}",
                f"is {json.dumps(ours)}, but {adapter.name} ({KEY}) has {shown}",
                f"set it to {shown}",
            )
    if adapter.encoder_folder and not config.text_encoder.enabled:
        yield Problem(
            "text_encoder.enabled",
            f"{adapter.name} ({KEY}) was trained with a text encoder",
            "turn it on, with the settings of that run",
        )


def _is_same_model(ours: str, theirs: str) -> bool:
    if ours == theirs:
        return True
    located = builtin.locate(ours) if ours in builtin.SHIPPED else ours
    return Path(located).expanduser().resolve() == Path(theirs).expanduser().resolve()
