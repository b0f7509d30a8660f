"""The training loop: transformers' own, with a loss that must be a number and honest saving."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin, Trainer

from deepsynth_tui.training.data.collator import ROW_IDS
from deepsynth_tui.training.data.sampler import SeededLengthGroupedSampler
from deepsynth_tui.training.muon import Muon
from deepsynth_tui.training.ranks.rank_group import RankGroup
from deepsynth_tui.training.result.checkpoints import rotate_checkpoints
from deepsynth_tui.training.result.save import save_trained
from deepsynth_tui.training.row_errors import errors_with_row_ids, non_finite_error
from deepsynth_tui.training.text_encoder import checkpoint
from deepsynth_tui.training.text_encoder.soft_tokens import without_text_encoder

if TYPE_CHECKING:
    from transformers.trainer_utils import EvalLoopOutput

    from deepsynth_tui.training.evaluation.answer_scorer import AnswerScorer


class DocumentTrainer(Trainer):
    """A Trainer for batches of `Collator`.

    It counts tokens, ends the run at a loss or gradient that is not a finite number, naming the
    rows, as it does where the model fails, and keeps pickles out of its checkpoints but for the
    optimizer state, which transformers loads with `weights_only`.
    """

    def __init__(
        self,
        *,
        model: PeftModel | PreTrainedModel,
        processor: ProcessorMixin | PreTrainedTokenizerBase,
        peers: RankGroup,
        kept_checkpoints: int,
        scorer: AnswerScorer | None = None,
        lengths: Sequence[int] | None = None,
        muon: bool = False,
        **given: Any,
    ) -> None:
        """`lengths` are tokens of the rows to train on, needed to group them by length. `muon` is
        the optimizer where it is true, else the one that the arguments name."""
        super().__init__(model=model, processing_class=processor, **given)
        self._trained = (model, processor)
        self._peers = peers
        self._kept_checkpoints = kept_checkpoints
        self._scorer = scorer
        self._lengths = lengths
        self._muon = muon
        self._grouped: SeededLengthGroupedSampler | None = None
        self.pages_seen = False
        self._rows: list[str] = []
        self._tokens: torch.Tensor | int = 0
        self._since = time.perf_counter()
        self._waited = 0.0
        self._waited_since = self._since

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """Make the optimizer of this run, once."""
        if not self._muon:
            return super().create_optimizer(model)
        if self.optimizer is None:
            self.optimizer = Muon(
                self._trained[0],
                learning_rate=self.args.learning_rate,
                weight_decay=self.args.weight_decay,
            )
        return self.optimizer

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
            # Left on the device: to read it would wait for the work before it.
            self._tokens = self._tokens + inputs["attention_mask"].sum()
            self.pages_seen = self.pages_seen or any(name.startswith("pixel") for name in inputs)
        loss, outputs = super().compute_loss(
            model, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch
        )
        if not torch.isfinite(loss):
            raise non_finite_error("loss", loss.item(), row_ids, self.state.global_step + 1)
        return (loss, outputs) if return_outputs else loss

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], *given: Any, **named: Any
    ) -> torch.Tensor:
        """Go forward and back through a batch.

        Raises:
            TrainingError: the loss is infinite or not a number.
            BatchError: the model failed on these rows.
        """
        self._rows += inputs[ROW_IDS]
        with errors_with_row_ids(inputs[ROW_IDS], self.state.global_step + 1):
            return super().training_step(model, inputs, *given, **named)

    def prediction_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], *given: Any, **named: Any
    ) -> Any:
        """Evaluate a batch. Raises as `training_step` does."""
        with errors_with_row_ids(inputs[ROW_IDS], self.state.global_step):
            return super().prediction_step(model, inputs, *given, **named)

    def _get_grad_norm(self, model: torch.nn.Module, grad_norm: Any = None) -> Any:
        """The length of the gradient, before the weights move by it.

        Raises:
            TrainingError: it is not finite, and no scaler of float16 leaves such a step out.
        """
        rows, self._rows = self._rows, []
        norm: Any = super()._get_grad_norm(model, grad_norm)
        if self.accelerator.scaler is None and not math.isfinite(length := float(norm)):
            raise non_finite_error("gradient", length, rows, self.state.global_step + 1)
        return norm

    def evaluation_loop(self, *given: Any, **named: Any) -> EvalLoopOutput:
        """Compute the loss of the held-out rows, and the scores of some generated answers.

        Here, because what is in these metrics decides over early stopping and the best checkpoint.
        """
        output = super().evaluation_loop(*given, **named)
        if self._scorer is None:
            return output
        scores = self._scorer.scores(self._trained[0], step=self.state.global_step)
        return output._replace(metrics={**(output.metrics or {}), **scores})

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler | None:
        if self.args.train_sampling_strategy != "group_by_length":
            return super()._get_train_sampler(train_dataset)
        if self._lengths is None:
            raise ValueError("rows can only be grouped by lengths that were counted")
        size = self.args.train_batch_size * self.args.gradient_accumulation_steps
        self._grouped = SeededLengthGroupedSampler(size, self._lengths, seed=self.args.seed)
        return self._grouped

    def _get_eval_sampler(self, eval_dataset: Any) -> torch.utils.data.Sampler | None:
        """One row after the other: transformers would group these by length too, and want to know
        the lengths."""
        if self.args.train_sampling_strategy != "group_by_length":
            return super()._get_eval_sampler(eval_dataset)
        alone = self.args.world_size <= 1
        return torch.utils.data.SequentialSampler(eval_dataset) if alone else None

    def get_batch_samples(self, epoch_iterator: Iterator[Any], *given: Any, **named: Any) -> Any:
        """Take the batches of a step, and note how long they were waited for."""
        return super().get_batch_samples(self._timed(epoch_iterator), *given, **named)

    def _timed(self, batches: Iterator[Any]) -> Iterator[Any]:
        while True:
            began = time.perf_counter()
            batch = next(batches, None)
            self._waited += time.perf_counter() - began
            if batch is None:
                return
            yield batch

    def data_wait(self) -> float:
        """Share of the time since the last call that was spent waiting for batches.

        On a GPU a batch is copied behind the work that was given to it before: what is left of
        that is waited for as well, unless each step is logged, which ends it first.
        """
        now = time.perf_counter()
        share = self._waited / (now - self._waited_since)
        self._waited, self._waited_since = 0.0, now
        return share

    def tokens_per_second(self) -> float:
        """Tokens trained on per second since the last call, by all processes together."""
        now = time.perf_counter()
        rate = self._peers.total(int(self._tokens)) / (now - self._since)
        self._tokens, self._since = 0, now
        return rate

    def _run_epoch(self, *given: Any, **named: Any) -> None:
        """Run an epoch, but none after the last step: transformers would add a step to a run that
        was interrupted after its loop, while saving, and is resumed. A callback that ends the run
        as it begins is heard, too."""
        if self.control.should_training_stop or self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
        else:
            # accelerate does not reach the sampler when several processes resume.
            if self._grouped is not None:
                self._grouped.set_epoch(named["epoch"])
            super()._run_epoch(*given, **named)

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: torch.nn.Module | None = None
    ) -> None:
        """Load the weights of a checkpoint, those of the text encoder too."""
        with without_text_encoder(self._trained[0]) as encoder:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        if encoder is not None:
            checkpoint.restore(encoder, Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        """Load the weights of the best checkpoint, those of the text encoder too."""
        with without_text_encoder(self._trained[0]) as encoder:
            super()._load_best_model()
        if encoder is not None:
            checkpoint.restore(encoder, Path(str(self.state.best_model_checkpoint)))

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Write a checkpoint, and only when every process has written its part delete old ones."""
        super()._save_checkpoint(model, trial)
        self._peers.wait()
        if self.args.should_save:
            best = self.state.best_model_checkpoint
            rotate_checkpoints(
                Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}",
                keep=self._kept_checkpoints,
                best=Path(best) if best else None,
            )

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        """Write weights and processor of a checkpoint, as they go into the adapter folder."""
        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        save_trained(*self._trained, folder)
