"""A tracker that does not take what the run reports."""

from __future__ import annotations

_LATER = "set WANDB_MODE=offline: `wandb sync` uploads what is then kept in the run's folder"


def advice(error: BaseException) -> str | None:
    """What to do about a refusal of wandb, or about no answer."""
    if type(error).__module__.partition(".")[0] != "wandb":
        return None
    match type(error).__name__:
        case "CommError":
            return f"wandb cannot be reached. Connect, or {_LATER}."
        case "UsageError" | "AuthenticationError":
            return f"Log in with `wandb login`, or {_LATER}."
        case _:
            return "Choose another training.report_to, or none: the run records all of it itself."
