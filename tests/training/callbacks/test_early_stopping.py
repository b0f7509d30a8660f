"""The patience counter survives a resume, also from a checkpoint of an older version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from deepsynth_tui.training.callbacks.early_stopping import FORMER_NAME, ResumableEarlyStopping


@pytest.mark.parametrize("saved_name", [ResumableEarlyStopping.__name__, FORMER_NAME])
@pytest.mark.parametrize(("count", "stops"), [(1, False), (2, True)])
def test_the_count_is_restored(tmp_path: Path, saved_name: str, count: int, stops: bool) -> None:
    callback = ResumableEarlyStopping(early_stopping_patience=2)
    state: Any = TrainerState()
    attributes = {"early_stopping_patience_counter": count}
    state.stateful_callbacks = {saved_name: {"args": {}, "attributes": attributes}}
    arguments = TrainingArguments(
        str(tmp_path),
        eval_strategy="steps",
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        use_cpu=True,
    )
    control = TrainerControl()
    callback.on_train_begin(arguments, state, control)

    assert callback.early_stopping_patience_counter == count
    assert control.should_training_stop is stops
    assert list(state.stateful_callbacks) == [ResumableEarlyStopping.__name__]
