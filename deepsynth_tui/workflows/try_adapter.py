"""Ask an adapter and its base model about a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deepsynth_tui.child_process import ask_async

# Named, not imported: it belongs to the process that loads models.
SERVER = "deepsynth_tui.adapters.server"
TIMEOUT_SECONDS = 900.0
NEW_TOKENS = 256
"""Tokens that an answer has at most."""


async def answers_to_page(
    adapter: Path, image: Path, instruction: str | None = None
) -> list[dict[str, Any]]:
    """Return the answers to a page: `name`, `answer` and `is_cut` of each, the base model first.

    `instruction` is by default that of the run that trained the adapter. The child process ends
    with the task. Raises `ChildError`.
    """
    question = {
        "task": "try",
        "adapters": [str(adapter)],
        "image": str(image),
        "instruction": instruction,
        "new_tokens": NEW_TOKENS,
    }
    return await ask_async(
        SERVER,
        question,
        subject="The answers",
        timeout=TIMEOUT_SECONDS,
        timeout_advice="Use `adapters try` in a shell, which has no limit of time.",
    )
