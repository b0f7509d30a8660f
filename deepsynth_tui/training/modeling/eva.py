"""`init_lora_weights: eva`: adapters start from principal components of their layers' inputs."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from peft.tuners.lora import EvaConfig, initialize_lora_eva_weights

from deepsynth_tui.training.data.collator import IGNORE_INDEX, ROW_IDS
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.load import no_grad_autocast

if TYPE_CHECKING:
    from peft import PeftModel

    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import Rows

BATCHES = 32  # PEFT keeps them all in main memory
MAX_FORWARDS = 10 * BATCHES
# Without a redistribution of ranks between layers: their sum, and so the memory, would be the same,
# but a resumed run could not know them before it has loaded the checkpoint.
EVA_CONFIG = EvaConfig(rho=1.0)


def initialize_eva_weights(
    model: PeftModel, config: TrainingConfig, collator: Collator, rows: Rows
) -> None:
    """Set the matrices A to the principal components of their layers' inputs at learned tokens.

    The components are those of random rows to train on, the same for a seed. Every adapter keeps
    its rank.

    Raises:
        TrainingError: the components do not converge.
    """
    adapter = model.peft_config["default"]
    before = {name: getattr(adapter, name) for name in ("target_modules", "rank_pattern")}
    forwards = 0

    def forward(model: PeftModel, inputs: Mapping[str, Any]) -> None:
        nonlocal forwards
        forwards += 1
        if forwards > MAX_FORWARDS:
            raise TrainingError(
                f"lora.init_lora_weights: eva found no {config.lora.r} components of the inputs of "
                f"every layer in {MAX_FORWARDS} batches",
                "Lower lora.r below the learned tokens of a batch, raise "
                "training.per_device_train_batch_size, or choose another initialization.",
                "lora.init_lora_weights",
            )
        with no_grad_autocast(config):
            model(**{name: value for name, value in inputs.items() if name != "labels"})

    # PEFT prints a line for each layer of each batch that has fewer tokens than components.
    with contextlib.redirect_stdout(io.StringIO()):
        initialize_lora_eva_weights(
            model,
            dataloader=_Batches(config, collator, rows),
            forward_fn=forward,
            prepare_model_inputs_fn=_learned_tokens,
            prepare_layer_inputs_fn=_layer_inputs,
            # All ranks use the same rows.
            gather_distributed_inputs=False,
            show_progress_bar=False,
        )
    for name, value in before.items():
        setattr(adapter, name, value)


class _Batches:
    """Batches of random rows; PEFT cycles through them."""

    def __init__(self, config: TrainingConfig, collator: Collator, rows: Rows) -> None:
        size = config.training.per_device_train_batch_size
        count = min(len(rows), BATCHES * size)
        chosen = random.Random(config.training.seed).sample(range(len(rows)), count)
        self._positions = [chosen[start : start + size] for start in range(0, count, size)]
        self._collator, self._rows = collator, rows

    def __len__(self) -> int:
        return len(self._positions)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for positions in self._positions:
            batch = self._collator([self._rows[position] for position in positions])
            batch.pop(ROW_IDS)
            yield batch


def _learned_tokens(inputs: Mapping[str, torch.Tensor], adapter: object) -> torch.Tensor:
    """Return the mask (rows, tokens) of the learned tokens of a batch."""
    return inputs["labels"] != IGNORE_INDEX


def _layer_inputs(layer_input: Any, learned: torch.Tensor, name: str) -> torch.Tensor:
    """Return a layer's inputs (positions, width): at learned tokens, in another tower all."""
    states = layer_input if isinstance(layer_input, torch.Tensor) else layer_input[0]
    if states.shape[:-1] == learned.shape:
        return states[learned]
    return states.reshape(-1, states.shape[-1])
