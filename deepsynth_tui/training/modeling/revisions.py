"""Which commit of a Hub repository is loaded: looked up once, so that it can be put on record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from huggingface_hub import ResolvedRevision
from transformers.utils.hub import resolve_revision

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig


def commit_of(path: str, revision: str | None) -> str | None:
    """The commit that a branch, tag or None, the newest, stands for; None for a folder, and where
    neither the Hub nor the cache knows the repository."""
    found = resolve_revision(path, revision)
    return found.resolved if isinstance(found, ResolvedRevision) else None


def pinned(
    config: TrainingConfig, *, model: str | None, encoder: str | None = None
) -> TrainingConfig:
    """The configuration with the commits that were loaded in place of branches and tags."""
    sections = {
        "model": config.model.model_copy(update={"revision": model or config.model.revision}),
        "text_encoder": config.text_encoder.model_copy(
            update={"revision": encoder or config.text_encoder.revision}
        ),
    }
    return config.model_copy(update=sections)
