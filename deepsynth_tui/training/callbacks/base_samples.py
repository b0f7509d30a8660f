"""Sample the base model after the first step instead of before it.

A first step that fails, most often for lack of memory, then fails earlier by the time that the
generation takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from peft import PeftModel
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from deepsynth_tui.config.model import INITS_THAT_KEEP_BASE_WEIGHTS
from deepsynth_tui.training.evaluation.samples import Sample, take_sample

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.callbacks.memory_time import MemoryTimeCallback
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.example import Example


def adapters_keep_base(config: TrainingConfig) -> bool:
    """Whether disabling the adapters gives the base model at any time during training."""
    lora = config.lora
    return (
        lora.enabled
        and not lora.modules_to_save
        and not lora.trainable_token_indices
        and lora.bias == "none"
        and lora.init_lora_weights in INITS_THAT_KEEP_BASE_WEIGHTS
        and not config.text_encoder.enabled
    )


class BaseSamplesCallback(TrainerCallback):
    """Generates the answers of the base model to `examples` after the first step.

    Each sample goes to `report`. The time is not part of any step that `memory_time` measures.
    """

    def __init__(
        self,
        model: PeftModel,
        collator: Collator,
        examples: Sequence[Example],
        report: Callable[[Sample], None],
        memory_time: MemoryTimeCallback,
    ) -> None:
        self.model = model
        self.collator = collator
        self.examples = examples
        self.report = report
        self.memory_time = memory_time

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Sample before the second step: the first is logged by now."""
        if state.global_step == 1:
            self._sample()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Sample at the end of a run of one step."""
        if state.global_step == 1:
            self._sample()

    def _sample(self) -> None:
        with self.memory_time.excluded(), self.model.disable_adapter():
            for example in self.examples:
                self.report(take_sample(self.model, self.collator, example))
