"""The Hub commit that a revision stands for, resolved once so that it can be recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from huggingface_hub import ResolvedRevision
from transformers.utils.hub import resolve_revision

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig


def resolve_commit(path: str, revision: str | None) -> str | None:
    """Return the commit of a branch or tag of a Hub repository, of the default branch for None.

    None for a folder, and for a repository that neither the Hub nor the cache has.
    """
    resolved = resolve_revision(path, revision)
    return resolved.resolved if isinstance(resolved, ResolvedRevision) else None


def pin_revisions(
    config: TrainingConfig, *, model: str | None, encoder: str | None = None
) -> TrainingConfig:
    """Return the configuration with these commits as revisions; None leaves a revision as it is."""
    sections = {
        "model": config.model.model_copy(update={"revision": model or config.model.revision}),
        "text_encoder": config.text_encoder.model_copy(
            update={"revision": encoder or config.text_encoder.revision}
        ),
    }
    return config.model_copy(update=sections)
