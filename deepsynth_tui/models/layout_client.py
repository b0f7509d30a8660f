"""Get the layout of a model: from the cache, else from a child process that imports torch."""

from __future__ import annotations

from deepsynth_tui.child_process import ChildError, ask
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.models.layout import ModelLayout, Role, load_layout, save_layout

# Building a layout takes a few seconds; the rest is for a slow Hub.
TIMEOUT_SECONDS = 180


class LayoutError(ChildError):
    """The layout of a model could not be built."""


def request_layout(
    name: str,
    revision: str | None = None,
    *,
    role: Role = "model",
    trust_remote_code: bool = False,
    timeout: float = TIMEOUT_SECONDS,
) -> ModelLayout:
    """Return the layout of a model, building and caching it if needed.

    Blocks for seconds: call it from a thread. `layout.load_layout` only looks into the cache.

    Raises:
        LayoutError: the model is not found, cannot be built, or is not ready in time.
    """
    return load_layout(name, revision, role) or _build(
        name, revision, role, trust_remote_code=trust_remote_code, timeout=timeout
    )


def request_layouts(config: TrainingConfig) -> tuple[ModelLayout, ModelLayout | None]:
    """Return the layouts of a configuration's model and, if enabled, of its text encoder.

    Raises:
        LayoutError: see `request_layout`.
    """
    model, encoder = config.model, config.text_encoder
    layout = request_layout(
        model.name_or_path, model.revision, trust_remote_code=model.trust_remote_code
    )
    if not encoder.enabled:
        return layout, None
    return layout, request_layout(encoder.name_or_path, encoder.revision, role="encoder")


def _build(
    name: str, revision: str | None, role: Role, *, trust_remote_code: bool, timeout: float
) -> ModelLayout:
    question = {
        "name": name,
        "revision": revision,
        "role": role,
        "trust_remote_code": trust_remote_code,
    }
    try:
        answer = ask(
            "deepsynth_tui.models.layout_server",
            question,
            subject=f"The layout of {name}",
            timeout=timeout,
            timeout_advice="Check the network, or give a folder with the model's config.json.",
        )
    except ChildError as error:
        raise LayoutError(error.message, error.advice) from error
    layout = ModelLayout.from_json(answer)
    save_layout(layout)
    return layout
