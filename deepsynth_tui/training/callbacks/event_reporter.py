"""What the loop does, as events for the screens and as plain lines for the log."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from deepsynth_tui.training.callbacks.data_wait import DataWaitMonitor

if TYPE_CHECKING:
    from deepsynth_tui.runs.job import Job
    from deepsynth_tui.training.ranks.rank_group import RankGroup
    from deepsynth_tui.training.trainer import DocumentTrainer

log = logging.getLogger(__name__)

EVAL_METRICS = ("eval_loss", "eval_exact_match", "eval_rouge_l", "eval_cer")
METRICS = ("loss", "learning_rate", "grad_norm", *EVAL_METRICS)


class EventReporterCallback(TrainerCallback):
    """Writes events of the loop, and ends it when the person asks, in all processes at once."""

    def __init__(self, job: Job, peers: RankGroup, waiting: DataWaitMonitor) -> None:
        self.job = job
        self.peers = peers
        self.waiting = waiting
        self.trainer: DocumentTrainer | None = None  # set once the trainer exists
        self.stopped = False
        self._logged = (0, time.perf_counter())

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._logged = (state.global_step, time.perf_counter())
        self.job.progress(state.global_step, state.max_steps, "steps")

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.job.progress(state.global_step, state.max_steps, "steps")
        if self.peers.agreed(self.job.stop_requested()) == "stop":
            self._stop(control, state)
            control.should_save = True
        # A loss is the mean since the one before; one across a checkpoint could not be resumed.
        control.should_log = control.should_log or control.should_save

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        figures = {name: value for name, value in (logs or {}).items() if name in METRICS}
        if not figures:  # the summary at the end of the loop
            return
        if "loss" in figures and self.trainer is not None:
            figures["tokens_per_second"] = round(self.trainer.tokens_per_second(), 1)
            figures["data_wait"] = round(self.trainer.data_wait(), 4)
        self.job.metric(step=state.global_step, epoch=state.epoch, **figures)
        log.info(self._line(state, figures))
        if "data_wait" in figures and (said := self.waiting.hear(figures["data_wait"])):
            self.job.warning(said)
            log.warning("%s", said)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        path = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        self.job.checkpoint(path, state.global_step)
        log.info("checkpoint %s", path.name)
        if self.peers.agreed(self.job.stop_requested()) == "stop-after-checkpoint":
            self._stop(control, state)

    def _stop(self, control: TrainerControl, state: TrainerState) -> None:
        """End the loop after this step; a stop asked for at the last step is no stop."""
        self.stopped = state.global_step < state.max_steps
        control.should_training_stop = True
        control.should_evaluate = False

    def _line(self, state: TrainerState, figures: dict[str, Any]) -> str:
        step = f"step {state.global_step}/{state.max_steps}"
        if "eval_loss" in figures:
            scored = ""
            if "eval_cer" in figures:
                scored = (
                    f"  exact {figures['eval_exact_match']:.1%}"
                    f"  ROUGE-L {figures['eval_rouge_l']:.3f}"
                    f"  character errors {figures['eval_cer']:.1%}"
                )
            return f"{step}  held-out loss {figures['eval_loss']:.3f}{scored}"
        last_step, last_time = self._logged
        now = time.perf_counter()
        self._logged = (state.global_step, now)
        speed = (state.global_step - last_step) / (now - last_time)
        rate = f"{speed:.1f} steps/s" if speed >= 1 else f"{1 / speed:.1f} s/step"
        return (
            f"{step}  loss {figures['loss']:.3f}  lr {figures['learning_rate']:.1e}  {rate}  "
            f"{figures['tokens_per_second']:.0f} tokens/s  data {figures['data_wait']:.0%}"
        )
