"""Ask for a model's profile: from the cache, else from a child process that has torch."""

from __future__ import annotations

from deepsynth_tui.child_process import ChildError, ask
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.models.layout import ModelLayout, Role, load_layout, save_layout

# A cold profile takes a few seconds; the rest is for a slow Hub.
TIMEOUT_SECONDS = 180


class LayoutError(ChildError):
    """A model has no profile. `message`: what happened; `advice`: what to do next."""


def request_layout(
    name: str,
    revision: str | None = None,
    *,
    role: Role = "model",
    trust_remote_code: bool = False,
    timeout: float = TIMEOUT_SECONDS,
) -> ModelLayout:
    """Return the profile of a model, building and caching it if need be. Blocks: seconds.

    Raises `LayoutError`. Call it from a thread; `profile.load` is the instant half of it.
    """
    return load_layout(name, revision, role) or _build(
        name, revision, role, trust_remote_code=trust_remote_code, timeout=timeout
    )


def request_layouts(config: TrainingConfig) -> tuple[ModelLayout, ModelLayout | None]:
    """Return the layouts of a configuration's model and, if enabled, of its text encoder."""
    model, encoder = config.model, config.text_encoder
    profile = request_layout(
        model.name_or_path, model.revision, trust_remote_code=model.trust_remote_code
    )
    if not encoder.enabled:
        return profile, None
    return profile, request_layout(encoder.name_or_path, encoder.revision, role="encoder")


def _build(
    name: str, revision: str | None, role: Role, *, trust_remote_code: bool, timeout: float
) -> ModelLayout:
    arguments: list[str] = [f"--role={role}"]
    if revision:
        arguments.append(f"--revision={revision}")
    if trust_remote_code:
        arguments.append("--trust-remote-code")
    arguments += ["--", name]
    try:
        answer = ask(
            "deepsynth_tui.models.layout_server",
            arguments=arguments,
            subject=f"The profile of {name}",
            timeout=timeout,
            timeout_advice="Check the network, or give a folder with the model's config.json.",
        )
    except ChildError as error:
        raise LayoutError(error.message, error.advice) from error
    profile = ModelLayout.from_json(answer)
    save_layout(profile)
    return profile
