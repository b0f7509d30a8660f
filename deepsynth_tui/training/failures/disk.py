"""A disk that is full or cannot be written to."""

from __future__ import annotations

import errno

_HUB_CACHE = ("huggingface/hub", "HF_HOME", "hub/models--", "hub/datasets--", "xet/")


def explain_disk_error(error: BaseException) -> str | None:
    """Return advice for a full disk or a missing permission."""
    if not isinstance(error, OSError):
        return None
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        if any(path in str(error) for path in _HUB_CACHE):
            return (
                "The disk of the Hub's cache is full. Free space with `hf cache prune`, or set "
                "HF_HOME to a larger disk; files downloaded so far are kept."
            )
        return "Free some disk space, lower training.save_total_limit, then --resume the run."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "Choose a folder that you may write to, with output.dir or $DEEPSYNTH_HOME."
    return None
