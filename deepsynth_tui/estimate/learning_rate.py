"""The learning rate that a rule of thumb gives for a model and a batch size."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.models.layout import ModelLayout

# tinker-cookbook (thinking-machines-lab/tinker-cookbook, skills/research/references/hyperparams.md
# and hyperparam_utils.py): 5e-5, times 10 with LoRA, times (2000 / hidden size) ** exponent, for
# batches of 128 rows; the rate grows with the square root of the batch size. The exponents were
# fitted to Qwen and Llama models.
BASE = 5e-5
LORA_FACTOR = 10
REFERENCE_WIDTH = 2000
REFERENCE_ROWS = 128
QWEN, LLAMA = 0.0775, 0.781


@dataclass(frozen=True, slots=True)
class LearningRateAdvice:
    """The lowest and highest learning rate of the rule; equal for a family it was fitted to.

    `rows` are those of an optimizer step, of all processes.
    """

    low: float
    high: float
    rows: int

    @property
    def text(self) -> str:
        """The advice for a form, such as `about 1.2e-04 at 8 rows a step`."""
        rates = f"{self.low:.1e}"
        if f"{self.high:.1e}" != rates:
            rates += f" to {self.high:.1e}"
        return f"about {rates} at {self.rows} row{'s' * (self.rows != 1)} a step"


def advise_learning_rate(config: TrainingConfig, layout: ModelLayout) -> LearningRateAdvice:
    """Return the learning rate for the width of the language model and the rows of a step.

    For a model that is neither Qwen nor Llama, the range is that of both exponents.
    """
    training = config.training
    rows = (
        training.per_device_train_batch_size
        * training.gradient_accumulation_steps
        * training.num_processes
    )
    factor = BASE * (LORA_FACTOR if config.lora.enabled else 1)
    factor *= math.sqrt(rows / REFERENCE_ROWS)
    rates = sorted(
        factor * (REFERENCE_WIDTH / layout.text.hidden) ** exponent
        for exponent in _exponents(layout.architecture)
    )
    return LearningRateAdvice(rates[0], rates[-1], rows)


def _exponents(architecture: str) -> tuple[float, ...]:
    if architecture.startswith("Qwen"):
        return (QWEN,)
    if architecture.startswith(("Llama", "Mllama")):
        return (LLAMA,)
    return QWEN, LLAMA
