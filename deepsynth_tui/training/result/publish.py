"""What was trained, to the Hugging Face Hub. The token is the Hub's own login or HF_TOKEN.

An upload that fails never fails the run: what was trained is on the disk, and the person is told
what to type to upload it later.
"""

from __future__ import annotations

import logging
import os
import shutil
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import HfApi
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from deepsynth_tui.training.failures import TrainingError, explain

if TYPE_CHECKING:
    from deepsynth_tui.config.training import OutputSettings
    from deepsynth_tui.runs.job import Job

log = logging.getLogger(__name__)

LAST_CHECKPOINT = "last-checkpoint"  # in the repository, as transformers calls it


class HubUploader(TrainerCallback):
    """Uploads the newest checkpoint while the run goes on, and the result at its end."""

    def __init__(self, job: Job, settings: OutputSettings) -> None:
        self.job = job
        self.settings = settings
        self._api = HfApi()
        self._repository: str | None = None
        self._checkpoint: Future[Any] | None = None
        self._links = job.run.path / ".uploading"

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Begin to upload a checkpoint, unless the one before is still on its way."""
        if not self.settings.push_checkpoints:
            return
        name = f"checkpoint-{state.global_step}"
        if self._checkpoint is not None and not self._checkpoint.done():
            log.info("%s is not uploaded: the one before still is", name)
            return
        self._settle()
        try:
            repository = self._made()
            # Links: the checkpoint may be deleted before it has been read.
            shutil.copytree(Path(str(args.output_dir)) / name, self._links, copy_function=os.link)
            self._checkpoint = self._api.upload_folder(
                repo_id=repository,
                folder_path=self._links,
                path_in_repo=LAST_CHECKPOINT,
                commit_message=name,
                run_as_future=True,
            )
        except Exception as error:  # noqa: BLE001 - told, and the run goes on
            self._warn(f"The upload of {name}", error)

    def publish(self, folder: Path) -> None:
        """Upload the finished `folder`, and put the address into the results of the run."""
        self._settle()
        if not self.settings.push_to_hub:
            return
        name = str(self.settings.hub_model_id)
        self.job.phase("uploading", name)
        try:
            address = self._api.upload_folder(
                repo_id=self._made(), folder_path=folder, commit_message="Trained"
            ).repo_url.url
        except Exception as error:  # noqa: BLE001 - told, and the run is done all the same
            private = " --private" if self.settings.hub_private else ""
            later = f"It is whole in {folder}. To upload it: hf upload {name} {folder}{private}"
            self._warn(f"The upload to {name}", error, later)
        else:
            log.info("uploaded to %s", address)
            self.job.result(hub=address)

    def _made(self) -> str:
        """The id of the repository, which is made where there is none.

        Raises:
            TrainingError: it is there already and public, but is to be private.
        """
        if self._repository is None:
            private = self.settings.hub_private
            made = self._api.create_repo(
                str(self.settings.hub_model_id), private=private, exist_ok=True
            )
            if private and not self._api.model_info(made.repo_id).private:
                raise TrainingError(
                    f"{made.repo_id} is there already, and public",
                    "Make it private on the Hub, choose another output.hub_model_id, or turn "
                    "output.hub_private off.",
                )
            self._repository = made.repo_id
        return self._repository

    def _settle(self) -> None:
        """Wait for the checkpoint that is on its way."""
        if self._checkpoint is not None:
            if (error := self._checkpoint.exception()) is not None:
                self._warn("The upload of a checkpoint", error)
            self._checkpoint = None
        shutil.rmtree(self._links, ignore_errors=True)

    def _warn(self, what: str, error: BaseException, later: str = "") -> None:
        failure = explain(error)
        log.error("%s failed", what, exc_info=error)
        said = (f"{what} failed: {failure.message.splitlines()[0]}", failure.advice, later)
        self.job.warning(". ".join(part.rstrip(".") for part in said if part))
