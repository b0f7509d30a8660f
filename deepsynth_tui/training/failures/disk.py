"""A disk that is full, or may not be written."""

from __future__ import annotations

import errno

_CACHE = ("huggingface/hub", "HF_HOME", "hub/models--", "hub/datasets--", "xet/")


def advice(error: BaseException) -> str | None:
    """What to do about an error of the file system."""
    if not isinstance(error, OSError):
        return None
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        if any(sign in str(error) for sign in _CACHE):
            return (
                "The Hub's cache has no room for the download. Free some with `hf cache prune`, "
                "or set HF_HOME to a larger disk; what is there already is kept."
            )
        return "Free some disk space, lower training.save_total_limit, then --resume the run."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "Choose a folder that you may write to, with output.dir or $DEEPSYNTH_HOME."
    return None
