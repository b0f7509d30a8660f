"""Libraries kept to plain lines: a log that is scrolled has no use for bars that redraw."""

from __future__ import annotations

import logging
import os
import warnings


def silence_libraries() -> None:
    """Turn off the progress bars of datasets, transformers and the Hub, and two stray warnings.

    Call it before any of them is imported: the Hub's client reads its setting on import.
    """
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import datasets
    from transformers.utils.logging import disable_progress_bar

    datasets.disable_progress_bars()
    disable_progress_bar()
    # PEFT 0.21 still asks transformers by the old name; nobody who trains can do anything.
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
    # bitsandbytes says on every import that a faster CPU kernel is not installed.
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
