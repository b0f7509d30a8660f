"""Names of models that are still being typed."""

from __future__ import annotations

from pathlib import Path


def is_half_typed(name: str) -> bool:
    """Return whether `name` is neither a path, a Hub id with its owner nor a builtin model."""
    owner, _, rest = name.partition("/")
    return not (":" in name or (owner and rest) or _is_path(name))


def is_missing_folder(name: str) -> bool:
    """Return whether `name` is a path where no folder is."""
    return name.startswith(("/", ".", "~")) and not Path(name).expanduser().is_dir()


def _is_path(name: str) -> bool:
    return name.startswith(("/", ".", "~")) or bool(name and Path(name).is_dir())
