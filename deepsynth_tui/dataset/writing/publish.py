"""Upload a complete dataset to the Hugging Face Hub.

The token is that of `hf auth login`, or `HF_TOKEN`.
"""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.dataset.errors import UploadError


def publish(folder: Path, repo_id: str, *, private: bool) -> str:
    """Upload `folder` as the Hub dataset `repo_id`, created if necessary, and return its URL.

    After a failure it can be called again; files that are on the Hub already are not sent twice.

    Raises:
        UploadError: the upload failed. The dataset itself is complete.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    api = HfApi()
    command = f"hf upload {repo_id} {folder} --repo-type dataset" + " --private" * private
    advice = f"The dataset in {folder} is complete. To upload it, use --resume, or: {command}"
    try:
        api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
        commit = api.upload_folder(repo_id=repo_id, repo_type="dataset", folder_path=folder)
    except LocalTokenNotFoundError as error:
        message = "not logged in to the Hugging Face Hub"
        raise UploadError(message, f"Log in first: hf auth login. {advice}") from error
    except (HFValidationError, HfHubHTTPError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UploadError(f"the upload to {repo_id} failed: {reason}", advice) from error
    return commit.repo_url.url
