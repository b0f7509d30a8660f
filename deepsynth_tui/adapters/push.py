"""Upload an adapter to the Hub, with the Hub's login or HF_TOKEN. Imports no torch."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path

from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.errors import UserError
from deepsynth_tui.training.failures import explain_as_user_error
from deepsynth_tui.training.result.file_names import LINEAGE

REPO = re.compile(r"[\w.-]+/[\w.-]+")
CHECKPOINT_FILES = ("optimizer.pt", "scheduler.pt", "rng_state*.pth", "*.bin", ".*")


def push(adapter: Adapter, repo: str, *, private: bool) -> str:
    """Create `repo` if need be, upload the adapter's folder, and return the address of the commit.

    The card in the upload loads the adapter from `repo`. The folder itself is not changed.

    Raises:
        UserError: `repo` is no id, it exists and is public although `private` is asked for, or the
            Hub refuses.
        OSError: the adapter cannot be read.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    from deepsynth_tui.training.result.model_card import model_card

    if not REPO.fullmatch(repo):
        raise UserError(f"{repo} is no id on the Hub", "Write it as OWNER/NAME")
    api = HfApi()
    with tempfile.TemporaryDirectory(prefix="deepsynth-push-") as scratch:
        folder = Path(scratch) / "adapter"
        shutil.copytree(adapter.folder, folder, ignore=shutil.ignore_patterns(*CHECKPOINT_FILES))
        if adapter.lineage.get("usage"):
            usage = {**adapter.lineage["usage"], "location": repo}
            lineage = {**adapter.lineage, "usage": usage}
            text = json.dumps(lineage, indent=2, ensure_ascii=False) + "\n"
            (folder / LINEAGE).write_text(text, encoding="utf-8")
            (folder / "README.md").write_text(model_card(lineage), encoding="utf-8")
        try:
            repo_id = api.create_repo(repo, private=private, exist_ok=True).repo_id
            if private and not api.model_info(repo_id).private:
                raise UserError(
                    f"{repo_id} already exists and is public",
                    "Make it private on the Hub, or choose another --repo",
                )
            commit = api.upload_folder(
                repo_id=repo_id, folder_path=folder, commit_message="Upload adapter"
            )
        except (HfHubHTTPError, LocalTokenNotFoundError, ConnectionError) as error:
            explained = explain_as_user_error(error)
            advice = explained.advice.replace("output.hub_model_id", "--repo")
            raise UserError(f"{repo}: {explained.message}", advice) from error
    return str(commit.commit_url)
