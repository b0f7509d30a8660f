"""Upload checkpoints and the result to the Hugging Face Hub, with the Hub's login or HF_TOKEN.

A failed upload never fails the run: the result is on the disk, and a warning gives the command
that uploads it later.
"""

from __future__ import annotations

import logging
import os
import shutil
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import HfApi

from deepsynth_tui.training.failures import TrainingError, explain

if TYPE_CHECKING:
    from deepsynth_tui.config.training import OutputSettings
    from deepsynth_tui.runs.job import Job

log = logging.getLogger(__name__)

LAST_CHECKPOINT = "last-checkpoint"  # the folder in the repository; transformers' name


class HubUploader:
    """Uploads the newest checkpoint in the background, and the result at the end."""

    def __init__(self, job: Job, settings: OutputSettings) -> None:
        self.job = job
        self.settings = settings
        self._api = HfApi()
        self._repo_id: str | None = None
        self._upload: Future[Any] | None = None
        self._links = job.run.path / ".uploading"

    def upload_checkpoint(self, checkpoint: Path) -> None:
        """Start to upload a checkpoint, unless the upload of the previous one is still running."""
        if not self.settings.push_checkpoints:
            return
        name = checkpoint.name
        if self._upload is not None and not self._upload.done():
            log.info("%s is not uploaded: the upload of the previous one is still running", name)
            return
        self._finish_upload()
        try:
            repo_id = self._create_repo()
            # Hard links: the checkpoint may be deleted before it has been read.
            shutil.copytree(checkpoint, self._links, copy_function=os.link)
            self._upload = self._api.upload_folder(
                repo_id=repo_id,
                folder_path=self._links,
                path_in_repo=LAST_CHECKPOINT,
                commit_message=name,
                run_as_future=True,
            )
        except Exception as error:  # noqa: BLE001 - becomes a warning, and the run continues
            self._warn(f"The upload of {name}", error)

    def upload_result(self, folder: Path) -> None:
        """Upload the finished `folder` and put its URL into the results of the run."""
        self._finish_upload()
        if not self.settings.push_to_hub:
            return
        repo_id = str(self.settings.hub_model_id)
        self.job.phase("uploading", repo_id)
        try:
            url = self._api.upload_folder(
                repo_id=self._create_repo(), folder_path=folder, commit_message="Trained"
            ).repo_url.url
        except Exception as error:  # noqa: BLE001 - becomes a warning: the result is on the disk
            private = " --private" if self.settings.hub_private else ""
            command = f"hf upload {repo_id} {folder}{private}"
            self._warn(
                f"The upload to {repo_id}",
                error,
                f"It is complete in {folder}. To upload it later: {command}",
            )
        else:
            log.info("uploaded to %s", url)
            self.job.result(hub=url)

    def _create_repo(self) -> str:
        """Return the id of the repository, which is created if it does not exist.

        Raises:
            TrainingError: it exists and is public although `output.hub_private` is on.
        """
        if self._repo_id is None:
            private = self.settings.hub_private
            repo = self._api.create_repo(
                str(self.settings.hub_model_id), private=private, exist_ok=True
            )
            if private and not self._api.model_info(repo.repo_id).private:
                raise TrainingError(
                    f"{repo.repo_id} already exists and is public",
                    "Make it private on the Hub, choose another output.hub_model_id, or turn "
                    "output.hub_private off.",
                )
            self._repo_id = repo.repo_id
        return self._repo_id

    def _finish_upload(self) -> None:
        """Wait for the checkpoint upload that is running."""
        if self._upload is not None:
            if (error := self._upload.exception()) is not None:
                self._warn("The upload of a checkpoint", error)
            self._upload = None
        shutil.rmtree(self._links, ignore_errors=True)

    def _warn(self, what: str, error: BaseException, remedy: str = "") -> None:
        failure = explain(error)
        log.error("%s failed", what, exc_info=error)
        reason = failure.message.splitlines()[0]
        sentences = (f"{what} failed: {reason}", failure.advice, remedy)
        self.job.warning(". ".join(text.rstrip(".") for text in sentences if text))
