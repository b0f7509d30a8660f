"""The Hub: what cannot be found or reached there, and what one may not do."""

from __future__ import annotations

_LOG_IN = "log in with `hf auth login`, or set HF_TOKEN in the environment"


def advice(error: BaseException) -> str | None:
    """What to do about an answer of the Hub, or about none."""
    match type(error).__name__:
        case "GatedRepoError":
            return "Accept the model's terms on its Hub page, then log in: `hf auth login`."
        case "RepositoryNotFoundError":
            return f"Check the spelling of the id; for a private repository {_LOG_IN}."
        case "RevisionNotFoundError":
            return "Set model.revision to a branch, tag or commit that exists."
        case "LocalTokenNotFoundError":
            return f"The Hub wants to know who you are: {_LOG_IN}."
        case "LocalEntryNotFoundError" | "OfflineModeIsEnabled" | "ConnectError" | "ProxyError":
            return (
                "The Hub cannot be reached and the files are not in its cache. Connect, or give "
                "a checkpoint folder or a builtin: builtin:tiny-vlm as model.name_or_path, "
                "builtin:tiny-qwen3 or builtin:tiny-bert as text_encoder.name_or_path."
            )
        case "HfHubHTTPError" | "BadRequestError" | "HTTPStatusError":
            return _answered(error)
    if isinstance(error, ConnectionError | TimeoutError):
        return "Check the network connection, then start again: what was downloaded is kept."
    return None


def _answered(error: BaseException) -> str | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    match status:
        case 401:
            return f"The Hub does not accept the token: it is missing, wrong or expired; {_LOG_IN}."
        case 403:
            return (
                "Your token may not do that. For an upload it needs write access, and "
                "output.hub_model_id must be of you or of an organisation that you may write to; "
                f"make such a token at hf.co/settings/tokens, then {_LOG_IN}."
            )
        case 429:
            return "The Hub asks to wait (too many requests): start again in some minutes."
        case int() if status >= 500:
            return "The Hub itself failed: try again later. status.huggingface.co says how it is."
        case _:
            return None
