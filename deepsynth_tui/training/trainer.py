"""The training loop: transformers' own, with a loss that must be a number and honest saving."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin, Trainer

from deepsynth_tui.training.batches import ROW_IDS
from deepsynth_tui.training.checkpoints import prune
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.processes.peers import Peers
from deepsynth_tui.training.saving import save_trained
from deepsynth_tui.training.text_encoder import storing
from deepsynth_tui.training.text_encoder.entrance import set_aside


class DocumentTrainer(Trainer):
    """A Trainer for batches of `Batcher`.

    It counts tokens, ends the run at a loss that is not a finite number, naming the rows, and
    keeps pickles out of its checkpoints but for the optimizer state, which transformers loads
    with `weights_only`.
    """

    def __init__(
        self,
        *,
        model: PeftModel | PreTrainedModel,
        processor: ProcessorMixin | PreTrainedTokenizerBase,
        peers: Peers,
        kept_checkpoints: int,
        **given: Any,
    ) -> None:
        super().__init__(model=model, processing_class=processor, **given)
        self._trained = (model, processor)
        self._peers = peers
        self._kept_checkpoints = kept_checkpoints
        self._tokens = 0
        self._since = time.perf_counter()

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Compute the loss of a batch.

        Raises:
            TrainingError: the loss is infinite or not a number.
        """
        row_ids = inputs.pop(ROW_IDS)
        if model.training:
            self._tokens += int(inputs["attention_mask"].sum())
        loss, outputs = super().compute_loss(
            model, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch
        )
        if not torch.isfinite(loss):
            raise TrainingError(
                f"The loss became {loss.item()} at step {self.state.global_step + 1}, "
                f"on {', '.join(row_ids)}",
                "Lower training.learning_rate, or compute in bfloat16 instead of float16; look at "
                "those rows. Checkpoints before this step are whole: --resume goes on from them.",
            )
        return (loss, outputs) if return_outputs else loss

    def tokens_per_second(self) -> float:
        """Tokens trained on per second since the last call, by all processes together."""
        now = time.perf_counter()
        rate = self._peers.total(self._tokens) / (now - self._since)
        self._tokens, self._since = 0, now
        return rate

    def _run_epoch(self, *given: Any, **named: Any) -> None:
        """Run an epoch, but none after the last step: transformers would add a step to a run that
        was interrupted after its loop, while saving, and is resumed. A callback that ends the run
        as it begins is heard, too."""
        if self.control.should_training_stop or self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
        else:
            super()._run_epoch(*given, **named)

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: torch.nn.Module | None = None
    ) -> None:
        """Load the weights of a checkpoint, those of the text encoder too."""
        with set_aside(self._trained[0]) as encoder:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        if encoder is not None:
            storing.restore(encoder, Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        """Load the weights of the best checkpoint, those of the text encoder too."""
        with set_aside(self._trained[0]) as encoder:
            super()._load_best_model()
        if encoder is not None:
            storing.restore(encoder, Path(str(self.state.best_model_checkpoint)))

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Write a checkpoint, and only when every process has written its part delete old ones."""
        super()._save_checkpoint(model, trial)
        self._peers.wait()
        if self.args.should_save:
            best = self.state.best_model_checkpoint
            prune(
                Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}",
                keep=self._kept_checkpoints,
                best=Path(best) if best else None,
            )

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        """Write weights and processor of a checkpoint, as they go into the adapter folder."""
        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        save_trained(*self._trained, folder)
