"""A finished dataset to the Hugging Face Hub. The token is the Hub's own login or HF_TOKEN."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.dataset.errors import UploadError


def publish(folder: Path, repo_id: str, *, private: bool) -> str:
    """Upload `folder` as the Hub dataset `repo_id`, made if it is not there; return its address.

    Called again after a failure, it goes on: what the Hub has already is not sent again.
    Raises `UploadError`: the folder is whole all the same, and can be uploaded again.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    api = HfApi()
    again = f"The dataset is whole in {folder}; --resume uploads what is missing. So does: "
    again += f"hf upload {repo_id} {folder} --repo-type dataset" + " --private" * private
    try:
        api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
        commit = api.upload_folder(repo_id=repo_id, repo_type="dataset", folder_path=folder)
    except LocalTokenNotFoundError as error:
        raise UploadError(
            "not logged in to the Hub", f"Log in first: hf auth login. {again}"
        ) from error
    except (HFValidationError, HfHubHTTPError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UploadError(f"the upload to {repo_id} failed: {reason}", again) from error
    return commit.repo_url.url
