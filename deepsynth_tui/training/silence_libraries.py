"""Turn off progress bars and known warnings of libraries, so that console.log is plain lines."""

from __future__ import annotations

import logging
import os
import warnings


def silence_libraries() -> None:
    """Turn off the progress bars of datasets, transformers and the Hub, and known warnings.

    Call this before any of them is imported: huggingface_hub reads its setting on import.
    """
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import datasets
    from transformers.utils.logging import disable_progress_bar

    datasets.disable_progress_bars()
    disable_progress_bar()
    # PEFT 0.21 calls transformers by a deprecated name; users cannot do anything about it.
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
    # bitsandbytes logs at every import that a faster CPU kernel is not installed.
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    # On a GPU, it logs in every forward pass of every 8-bit layer that inputs become float16.
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
