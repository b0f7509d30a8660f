"""Files that PyTorch refuses to load because they hold more than data."""

from __future__ import annotations

import re

_REFUSAL = "Weights only load failed"
_GLOBAL = re.compile(r"GLOBAL (\S+)")


def is_refused_pickle(message: str) -> bool:
    """Return whether `message` is that of `torch.load` with `weights_only`."""
    return _REFUSAL in message


def describe_refused_pickle(message: str, name: str = "A file") -> str:
    """Describe why PyTorch refuses the file `name`, without its advice to switch the check off."""
    if match := _GLOBAL.search(message):
        return (
            f"{name} holds {match[1]}, which is not data: loading it could run code, so it is not "
            "loaded"
        )
    return f"{name} is damaged, or holds more than tensors and plain values"


def explain_refused_pickle(error: BaseException) -> str | None:
    """Return advice for a file that PyTorch refuses."""
    if not is_refused_pickle(str(error)):
        return None
    return "Use weights in safetensors files, or a copy of the file from its author."
