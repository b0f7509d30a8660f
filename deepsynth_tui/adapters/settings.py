"""The settings with which an adapter answers: those of the run that trained it."""

from __future__ import annotations

from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.config.training import TrainingConfig


def answer_config(adapter: Adapter) -> TrainingConfig:
    """Return the configuration of its run, with the commit of the base that it was trained on.

    Only the last answer of a row is generated. For an adapter without `deepsynth.json`: the
    defaults, with the base model that PEFT names.
    """
    if adapter.lineage:
        config = TrainingConfig.model_validate(adapter.lineage["config"])
    else:
        model = {"name_or_path": adapter.base, "revision": adapter.base_commit}
        config = TrainingConfig.model_validate({"kind": "training", "model": model})
    revision = adapter.base_commit or config.model.revision
    return config.model_copy(
        update={
            "model": config.model.model_copy(update={"revision": revision}),
            "data": config.data.model_copy(update={"learn_turns": "last"}),
        }
    )


def base_config(config: TrainingConfig) -> TrainingConfig:
    """Return the settings with which the base of an adapter answers: no text encoder."""
    without = config.text_encoder.model_copy(update={"enabled": False})
    return config.model_copy(update={"text_encoder": without})
