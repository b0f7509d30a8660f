"""Upload each checkpoint to the Hub while training continues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from deepsynth_tui.training.result.checkpoints import checkpoint_path

if TYPE_CHECKING:
    from deepsynth_tui.training.result.publish import HubUploader


class PushToHubCallback(TrainerCallback):
    """Hands every checkpoint to the uploader, which skips it when it is busy.

    transformers' own `push_to_hub` needs the Hub at the start of the run, and uploads a pickle of
    the training arguments.
    """

    def __init__(self, uploader: HubUploader) -> None:
        self.uploader = uploader

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.uploader.upload_checkpoint(checkpoint_path(str(args.output_dir), state.global_step))
