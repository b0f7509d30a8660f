"""Report the progress of training as events for the screens and as lines in the log."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from deepsynth_tui.runs.control import STOP_NOW
from deepsynth_tui.training.callbacks.data_wait import DataWaitMonitor
from deepsynth_tui.training.result.checkpoints import checkpoint_path

if TYPE_CHECKING:
    from deepsynth_tui.runs.job import Job
    from deepsynth_tui.training.ranks.rank_group import RankGroup
    from deepsynth_tui.training.trainer import DocumentTrainer

log = logging.getLogger(__name__)

EVAL_METRICS = ("eval_loss", "eval_exact_match", "eval_rouge_l", "eval_cer", "eval_cut_answers")
METRICS = ("loss", "learning_rate", "grad_norm", *EVAL_METRICS)
PADDING, PADDING_AVOIDED = "padding", "padding_avoided"
"""Metrics, of which a run has one: the share of padding in its batches, or that of not computed."""


class EventReporterCallback(TrainerCallback):
    """Writes events, and stops training when the user asks, in all ranks at the same step."""

    def __init__(self, job: Job, ranks: RankGroup, trainer: DocumentTrainer) -> None:
        self.job = job
        self.ranks = ranks
        self.trainer = trainer
        self.data_wait = DataWaitMonitor(trainer.args.dataloader_num_workers)
        self.stopped = False
        self.requeued = False
        self._last_log = (0, time.perf_counter())

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._last_log = (state.global_step, time.perf_counter())
        self.job.progress(state.global_step, state.max_steps, "steps")

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.job.progress(state.global_step, state.max_steps, "steps")
        if (request := self.ranks.broadcast_request(self.job.stop_requested())) in STOP_NOW:
            self._stop(control, state)
            self.requeued = self.stopped and request == "requeue"
            control.should_save = True
        # A logged loss is the mean since the last one. A mean over steps before and after a
        # checkpoint could not be continued from it.
        control.should_log = control.should_log or control.should_save

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        metrics = {name: value for name, value in (logs or {}).items() if name in METRICS}
        if not metrics:  # the summary at the end of training
            return
        if "loss" in metrics:
            metrics["tokens"], rate, padding = self.trainer.trained_tokens()
            metrics["tokens_per_second"] = round(rate, 1)
            metrics[PADDING_AVOIDED if self.trainer.padding_free else PADDING] = round(padding, 4)
            metrics["data_wait"] = round(self.trainer.data_wait(), 4)
        self.job.metric(step=state.global_step, epoch=state.epoch, **metrics)
        log.info(self._log_line(state, metrics))
        if "data_wait" in metrics and (warning := self.data_wait.update(metrics["data_wait"])):
            self.job.warning(warning)
            log.warning("%s", warning)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        path = checkpoint_path(str(args.output_dir), state.global_step)
        self.job.checkpoint(path, state.global_step)
        log.info("checkpoint %s", path.name)
        if self.ranks.broadcast_request(self.job.stop_requested()) == "stop-after-checkpoint":
            self._stop(control, state)

    def _stop(self, control: TrainerControl, state: TrainerState) -> None:
        """End training after this step. A run whose last step this is counts as completed."""
        self.stopped = state.global_step < state.max_steps
        control.should_training_stop = True
        control.should_evaluate = False

    def _log_line(self, state: TrainerState, metrics: dict[str, Any]) -> str:
        step = f"step {state.global_step}/{state.max_steps}"
        if "eval_loss" in metrics:
            scores = ""
            if "eval_cer" in metrics:
                scores = (
                    f"  exact {metrics['eval_exact_match']:.1%}"
                    f"  ROUGE-L {metrics['eval_rouge_l']:.3f}"
                    f"  character errors {metrics['eval_cer']:.1%}"
                )
                if cut := metrics["eval_cut_answers"]:
                    scores += f" ({cut} answers were cut: they did not end)"
            return f"{step}  held-out loss {metrics['eval_loss']:.3f}{scores}"
        last_step, last_time = self._last_log
        now = time.perf_counter()
        self._last_log = (state.global_step, now)
        speed = (state.global_step - last_step) / (now - last_time)
        rate = f"{speed:.1f} steps/s" if speed >= 1 else f"{1 / speed:.1f} s/step"
        return (
            f"{step}  loss {metrics['loss']:.3f}  lr {metrics['learning_rate']:.1e}  {rate}  "
            f"{metrics['tokens_per_second']:.0f} tokens/s  data {metrics['data_wait']:.0%}"
        )
