"""Access tokens in settings: they are refused, and never repeated on a screen or in a file.

Tokens come from the environment (HF_TOKEN, WANDB_API_KEY) or the Hub's own login.
"""

from __future__ import annotations

import re

# Hugging Face, Weights & Biases, OpenAI and Anthropic, GitHub, AWS: as their issuers document them.
_TOKEN = re.compile(
    r"\b(?:(?:hf|api_org|wandb_v1)_[A-Za-z0-9_]{16,}|sk-[A-Za-z0-9_-]{20,}"
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|AKIA[A-Z0-9]{16})"
)
_SHOWN = 3


def has_token(text: str) -> bool:
    """Return whether `text` contains what looks like an access token."""
    return _TOKEN.search(text) is not None


def hide_tokens(text: str) -> str:
    """Return `text` with all but the first characters of each token replaced."""
    return _TOKEN.sub(lambda match: f"{match[0][:_SHOWN]}…", text)
