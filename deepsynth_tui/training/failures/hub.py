"""Errors of the Hugging Face Hub: not found, not reachable, not permitted."""

from __future__ import annotations

_LOG_IN = "log in with `hf auth login`, or set HF_TOKEN in the environment"


def explain_hub_error(error: BaseException) -> str | None:
    """Return advice for an error of the Hub or of the connection to it."""
    match type(error).__name__:
        case "GatedRepoError":
            return "Accept the model's terms on its Hub page, then log in: `hf auth login`."
        case "RepositoryNotFoundError":
            return f"Check the spelling of the id; for a private repository {_LOG_IN}."
        case "RevisionNotFoundError":
            return "Set model.revision to a branch, tag or commit that exists."
        case "LocalTokenNotFoundError":
            return f"The Hub requires a login: {_LOG_IN}."
        case "LocalEntryNotFoundError" | "OfflineModeIsEnabled" | "ConnectError" | "ProxyError":
            return (
                "The Hub cannot be reached and the files are not in its cache. Connect, or give "
                "a checkpoint folder or a builtin: builtin:tiny-vlm as model.name_or_path, "
                "builtin:tiny-qwen3 or builtin:tiny-bert as text_encoder.name_or_path."
            )
        case "HfHubHTTPError" | "BadRequestError" | "HTTPStatusError":
            return _explain_status(error)
    if isinstance(error, ConnectionError | TimeoutError):
        return "Check the network connection, then start again: files downloaded so far are kept."
    return None


def _explain_status(error: BaseException) -> str | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    match status:
        case 401:
            return f"The Hub does not accept the token: it is missing, wrong or expired; {_LOG_IN}."
        case 403:
            return (
                "Your token lacks the permission. An upload needs a token with write access, and "
                "output.hub_model_id must belong to you or to an organization that you may write "
                f"to; create such a token at hf.co/settings/tokens, then {_LOG_IN}."
            )
        case 429:
            return "The Hub limits the rate of requests: start again in some minutes."
        case int() if status >= 500:
            return "The Hub itself failed: try again later. See status.huggingface.co."
        case _:
            return None
