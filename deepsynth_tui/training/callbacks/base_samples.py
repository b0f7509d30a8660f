"""What the base model says to a few documents, asked after the first step instead of before it.

A first step that fails, for lack of memory above all, is told the sooner by the time of an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from peft import PeftModel
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from deepsynth_tui.config.training import INITS_THAT_KEEP_BASE_WEIGHTS
from deepsynth_tui.training.evaluation.samples import Sample, take_sample

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.callbacks.memory_time import MemoryTimeCallback
    from deepsynth_tui.training.data.collator import Collator


def adapters_keep_base(config: TrainingConfig) -> bool:
    """Whether a model of this configuration, its adapters off, is the base at any time."""
    lora = config.lora
    return (
        lora.enabled
        and not lora.modules_to_save
        and lora.bias == "none"
        and lora.init_lora_weights in INITS_THAT_KEEP_BASE_WEIGHTS
        and not config.text_encoder.enabled
    )


class BaseSamplesCallback(TrainerCallback):
    """Takes samples of the base once the first step is told, and hands each to `show`.

    Its time is none of a step that `gauge` measures.
    """

    def __init__(
        self,
        model: PeftModel,
        batcher: Collator,
        rows: Sequence[dict[str, Any]],
        show: Callable[[Sample], None],
        gauge: MemoryTimeCallback,
    ) -> None:
        self.model = model
        self.batcher = batcher
        self.rows = rows
        self.show = show
        self.gauge = gauge

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Of the second step."""
        if state.global_step == 1:
            self._look()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Of a run that has no second step."""
        if state.global_step == 1:
            self._look()

    def _look(self) -> None:
        with self.gauge.aside(), self.model.disable_adapter():
            for row in self.rows:
                self.show(take_sample(self.model, self.batcher, row))
