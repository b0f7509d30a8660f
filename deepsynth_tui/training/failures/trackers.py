"""Errors of an experiment tracker."""

from __future__ import annotations

_OFFLINE = (
    "set WANDB_MODE=offline: metrics are then kept in the run's folder, and `wandb sync` uploads "
    "them later"
)


def explain_tracker_error(error: BaseException) -> str | None:
    """Return advice for an error of wandb."""
    if type(error).__module__.partition(".")[0] != "wandb":
        return None
    match type(error).__name__:
        case "CommError":
            return f"wandb cannot be reached. Connect, or {_OFFLINE}."
        case "UsageError" | "AuthenticationError":
            return f"Log in with `wandb login`, or {_OFFLINE}."
        case _:
            return (
                "Set training.report_to to another tracker or to none: the run itself records "
                "all metrics."
            )
