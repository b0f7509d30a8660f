"""`DocumentTrainer`: transformers' `Trainer` that checks every loss and saves safetensors only.

The comment above an override names the transformers version it was written for and what would
make it unnecessary. `evaluation_loop` and `save_model` are public.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin, Trainer

from deepsynth_tui.training.data.collator import ROW_IDS
from deepsynth_tui.training.data.sampler import SeededLengthGroupedSampler
from deepsynth_tui.training.data.workers import worker_start
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.features.tower import ENCODER_OUTPUTS
from deepsynth_tui.training.learning_rates import loraplus_optimizer, set_tower_rates
from deepsynth_tui.training.ranks.rank_group import RankGroup
from deepsynth_tui.training.result.checkpoint_damage import refuse_damaged
from deepsynth_tui.training.result.save import save_trained
from deepsynth_tui.training.row_errors import errors_with_row_ids, non_finite_error
from deepsynth_tui.training.text_encoder import checkpoint
from deepsynth_tui.training.text_encoder.soft_tokens import (
    without_text_encoder,
)
from deepsynth_tui.training.token_loss import compute_token_loss

if TYPE_CHECKING:
    from transformers.trainer_utils import EvalLoopOutput

    from deepsynth_tui.training.evaluation.answer_scorer import AnswerScorer
    from deepsynth_tui.training.result.checkpoint_record import CheckpointRecord


def _holds_pages(name: str) -> bool:
    return name.startswith("pixel") or name == ENCODER_OUTPUTS


class DocumentTrainer(Trainer):
    """A `Trainer` for batches of `Collator`.

    It ends the run at a loss or gradient norm that is not finite and names the rows of the batch,
    measures throughput and data wait, and saves a text encoder together with the model. The only
    pickles in its checkpoints are optimizer, scheduler and random states, which transformers loads
    with `weights_only`.
    """

    def __init__(
        self,
        *,
        model: PeftModel | PreTrainedModel,
        processor: ProcessorMixin | PreTrainedTokenizerBase,
        ranks: RankGroup,
        record: CheckpointRecord | None = None,
        scorer: AnswerScorer | None = None,
        group_by_lengths: Sequence[int] | None = None,
        padding_free: bool = False,
        **options: Any,
    ) -> None:
        """Create the trainer; `options` go to `Trainer`.

        `record` is written into each checkpoint; None for a trainer that writes none.
        `scorer` generates and scores answers at each evaluation. With `group_by_lengths`, the
        lengths in tokens of all training rows, batches are made of rows of similar length. With
        `padding_free`, the rows of a micro-batch are one sequence in the model.
        """
        super().__init__(model=model, processing_class=processor, **options)
        if isinstance(model, PeftModel | PreTrainedModel):
            compute_token_loss(model, padding_free=padding_free)
        # The loss is divided by the learned tokens of all micro-batches and ranks of a step.
        self.model_accepts_loss_kwargs = self._loss_shifts_labels = True
        self._unwrapped_model = model  # DDP wraps `self.model_wrapped`
        self._processor = processor
        self._ranks = ranks
        self.record = record
        self.padding_free = padding_free
        self._scorer = scorer
        self._lengths = group_by_lengths
        self._length_sampler: SeededLengthGroupedSampler | None = None
        self.pages_seen = False
        self._step_row_ids: list[str] = []
        self._held_out_loss: torch.Tensor | float = 0.0  # sums over rows of an evaluation
        self._held_out_tokens: torch.Tensor | int = 0
        self._tokens: torch.Tensor | int = 0
        self._padded_tokens = 0
        self._tokens_since = time.perf_counter()
        self._data_wait_seconds = 0.0
        self._data_wait_since = self._tokens_since

    # Checks and error messages

    # transformers 5.24; unnecessary once Trainer raises at a NaN loss before the backward pass.
    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Compute the loss of a training or evaluation batch, and add it to that of an evaluation.

        It is checked before the backward pass, which would spread a NaN to the other ranks: they
        could then report rows that are not the cause.

        Raises:
            TrainingError: the loss is infinite or NaN.
            BatchError: the model failed on these rows in an evaluation.
        """
        row_ids = inputs.pop(ROW_IDS)
        if model.training:
            # Not read here: `.item()` would wait for the GPU.
            self._tokens = self._tokens + inputs["attention_mask"].sum()
            self._padded_tokens += inputs["attention_mask"].numel()
            self.pages_seen = self.pages_seen or any(map(_holds_pages, inputs))
            context = contextlib.nullcontext()  # training_step covers the backward pass, too
        else:
            context = errors_with_row_ids(row_ids, self.state.global_step)
        with context:
            loss, outputs = super().compute_loss(
                model, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch
            )
        if not torch.isfinite(loss):
            raise non_finite_error("loss", loss.item(), row_ids, self.state.global_step + 1)
        if not model.training:
            self._add_held_out(outputs)
        return (loss, outputs) if return_outputs else loss

    def _add_held_out(self, outputs: Any) -> None:
        """Add the rows of all ranks, without those that only fill up the last batch."""
        losses, tokens = self.accelerator.gather_for_metrics(
            (outputs["row_losses"], outputs["row_tokens"])
        )
        self._held_out_loss = self._held_out_loss + losses.double().sum()
        self._held_out_tokens = self._held_out_tokens + tokens.sum()

    # transformers 5.24; unnecessary once callbacks see the exception of a step and its batch.
    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Do the forward and backward pass of a batch.

        Raises:
            TrainingError: the loss is infinite or NaN.
            BatchError: the model failed on these rows.
        """
        self._step_row_ids += inputs[ROW_IDS]
        with errors_with_row_ids(inputs[ROW_IDS], self.state.global_step + 1):
            return super().training_step(model, inputs, *args, **kwargs)

    # transformers 5.24; unnecessary once `on_pre_optimizer_step` gets the gradient norm.
    def _get_grad_norm(self, model: torch.nn.Module, grad_norm: Any = None) -> Any:
        """Return the gradient norm of the step, before the optimizer uses the gradients.

        Raises:
            TrainingError: it is infinite or NaN, and there is no float16 scaler to skip the step.
        """
        row_ids, self._step_row_ids = self._step_row_ids, []
        norm: Any = super()._get_grad_norm(model, grad_norm)
        if self.accelerator.scaler is None and not math.isfinite(value := float(norm)):
            raise non_finite_error("gradient", value, row_ids, self.state.global_step + 1)
        return norm

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> EvalLoopOutput:
        """Compute the loss of the held-out rows and the scores of generated answers.

        The loss is the mean over all learned tokens; that of `Trainer` is a mean over batches. The
        scores are added here and not in a callback because early stopping and the choice of the
        best checkpoint read these metrics.
        """
        self._held_out_loss, self._held_out_tokens = 0.0, 0
        output = super().evaluation_loop(*args, **kwargs)
        metrics = {**(output.metrics or {}), "eval_loss": self._mean_held_out_loss()}
        if self._scorer is not None:
            step = self.state.global_step
            metrics |= self._scorer.scores(self._unwrapped_model, step=step)
        return output._replace(metrics=metrics)

    def _mean_held_out_loss(self) -> float:
        return float(self._held_out_loss) / int(self._held_out_tokens)

    # Optimizer

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Create the optimizer; some weights may have a learning rate of their own."""
        is_new = self.optimizer is None
        config = self.record.config if self.record else None
        if is_new and config is not None and config.training.loraplus_lr_ratio is not None:
            assert isinstance(self._unwrapped_model, PeftModel)  # a rule of the configuration
            optimizer_class, options = self.get_optimizer_cls_and_kwargs(self.args)
            self.optimizer = loraplus_optimizer(
                self._unwrapped_model, optimizer_class, options, config
            )
        optimizer = super().create_optimizer(model)
        if is_new and config is not None:
            set_tower_rates(optimizer, self._unwrapped_model, config)
        return optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """Create the schedule of the learning rate.

        Raises:
            TrainingError: its parts take more steps than there are.
        """
        parts: Any = self.args.lr_scheduler_kwargs or {}
        warmup = self.args.get_warmup_steps(num_training_steps)
        decay, stable = parts.get("num_decay_steps", 0), parts.get("num_stable_steps", 0)
        if stable + decay and warmup + stable + decay > num_training_steps:
            raise TrainingError(
                f"The learning rate rises for {warmup} steps, stays for {stable} and falls for "
                f"{decay}, but the run has {num_training_steps} steps",
                "Lower training.warmup_steps or num_decay_steps in training.lr_scheduler_kwargs.",
                "training.lr_scheduler_kwargs",
            )
        return super().create_scheduler(num_training_steps, optimizer)

    # Batches

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the loader of the training batches; its workers live as long as the trainer.

        Batches stay on the CPU until their forward pass: `Trainer` fetches all those of an
        optimizer step before the first, so their pixels would be on the GPU together.
        """
        loader: Any = self._set_up_loader(super().get_train_dataloader())
        loader.device = None  # `_prepare_inputs` moves each batch
        return loader

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        """Return a loader whose workers end with the evaluation: idle ones would hold memory."""
        is_persistent = self.args.dataloader_persistent_workers
        self.args.dataloader_persistent_workers = False
        loader = self._set_up_loader(super().get_eval_dataloader(eval_dataset))
        self.args.dataloader_persistent_workers = is_persistent
        return loader

    def _set_up_loader(self, loader: Any) -> DataLoader[Any]:
        """Give the loader a generator of its own, and its workers an end with this process.

        Without, it draws the seeds of its workers from torch's generator, as often as workers are
        started: dropout would depend on their number and on where the run was resumed.
        """
        seed = self.args.seed + self.args.process_index
        loader.base_dataloader.generator = torch.Generator().manual_seed(seed)
        loader.base_dataloader.worker_init_fn = worker_start()
        return loader

    # transformers 5.24; unnecessary once Trainer takes a sampler as an argument.
    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler | None:
        if self._lengths is None:
            return super()._get_train_sampler(train_dataset)
        size = self.args.train_batch_size * self.args.gradient_accumulation_steps
        self._length_sampler = SeededLengthGroupedSampler(size, self._lengths, seed=self.args.seed)
        return self._length_sampler

    # transformers 5.24; unnecessary once Trainer checks for the end of the run before an epoch.
    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        """Run an epoch, unless the run is over.

        A run that was interrupted after its last step, while saving, would take one step more, and
        one that had run out of patience would train on.
        """
        if self.control.should_training_stop or self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
            return
        if self._length_sampler is not None:  # accelerate 1.x does not reach it in several ranks
            self._length_sampler.set_epoch(kwargs["epoch"])
        super()._run_epoch(*args, **kwargs)

    # Pages

    # transformers 5.24; unnecessary once Trainer lets a collator act on the device of the model.
    def _prepare_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Move a batch to the device of the model, with features in place of its pages."""
        prepared = super()._prepare_inputs(inputs)
        features = getattr(self.data_collator, "features", None)
        return features.model_inputs(prepared) if features is not None else prepared

    # Throughput

    # transformers 5.24; unnecessary once callbacks are called around the fetching of batches.
    def get_batch_samples(self, epoch_iterator: Iterator[Any], *args: Any, **kwargs: Any) -> Any:
        """Fetch the batches of an optimizer step and measure how long that takes."""
        return super().get_batch_samples(self._timed(epoch_iterator), *args, **kwargs)

    def _timed(self, batches: Iterator[Any]) -> Iterator[Any]:
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            self._data_wait_seconds += time.perf_counter() - start
            if batch is None:
                return
            yield batch

    def data_wait(self) -> float:
        """Share of the time since the last call, 0 to 1, that was spent waiting for batches.

        On a GPU, copying a batch waits for the kernels queued before it. That is included unless
        every step is logged, which synchronises first.
        """
        now = time.perf_counter()
        share = self._data_wait_seconds / (now - self._data_wait_since)
        self._data_wait_seconds, self._data_wait_since = 0.0, now
        return share

    def trained_tokens(self) -> tuple[int, float, float]:
        """Training tokens since the last call, and per second, summed over all ranks.

        The third value is the share of padding, 0 to 1, in batches that are padded to their longest
        row, whether the model gets it or not.
        """
        now = time.perf_counter()
        tokens = int(self._ranks.all_reduce_sum(int(self._tokens)))
        padded = int(self._ranks.all_reduce_sum(self._padded_tokens))
        rate = tokens / (now - self._tokens_since)
        self._tokens, self._padded_tokens, self._tokens_since = 0, 0, now
        return tokens, rate, 1 - tokens / padded if padded else 0.0

    # Checkpoints

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the weights and processor of a checkpoint with the code that writes the result."""
        if self.args.should_save:
            folder = Path(output_dir or str(self.args.output_dir))
            folder.mkdir(parents=True, exist_ok=True)
            save_trained(self._unwrapped_model, self._processor, folder)
            if self.record is not None:
                self.record.write(folder)

    # transformers 5.24; unnecessary once callbacks are called when weights have been loaded.
    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: torch.nn.Module | None = None
    ) -> None:
        """Load the weights of a checkpoint, with those of the text encoder."""
        with self._text_encoder_from(resume_from_checkpoint):
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    # transformers 5.24; unnecessary once callbacks are called when weights have been loaded.
    def _load_best_model(self) -> None:
        """Load the weights of the best checkpoint, with those of the text encoder.

        Raises:
            TrainingError: the checkpoint is damaged.
        """
        refuse_damaged(Path(str(self.state.best_model_checkpoint)))
        with self._text_encoder_from(str(self.state.best_model_checkpoint)):
            super()._load_best_model()

    @contextlib.contextmanager
    def _text_encoder_from(self, folder: str) -> Iterator[None]:
        """Take the text encoder out of the model for the block, then load its own weights."""
        with without_text_encoder(self._unwrapped_model) as encoder:
            yield
        if encoder is not None:
            checkpoint.restore(encoder, Path(folder))
