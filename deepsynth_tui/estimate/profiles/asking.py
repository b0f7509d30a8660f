"""Ask for a model's profile: from the cache, else from a child process that has torch."""

from __future__ import annotations

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.child import ChildError, ask
from deepsynth_tui.estimate.profiles.profile import ModelProfile, Role, load, save

# A cold profile takes a few seconds; the rest is for a slow Hub.
TIMEOUT_SECONDS = 180


class ProfileError(ChildError):
    """A model has no profile. `message`: what happened; `advice`: what to do next."""


def request(
    name: str,
    revision: str | None = None,
    *,
    role: Role = "model",
    trust_remote_code: bool = False,
    timeout: float = TIMEOUT_SECONDS,
) -> ModelProfile:
    """Return the profile of a model, building and caching it if need be. Blocks: seconds.

    Raises `ProfileError`. Call it from a thread; `profile.load` is the instant half of it.
    """
    return load(name, revision, role) or _build(
        name, revision, role, trust_remote_code=trust_remote_code, timeout=timeout
    )


def request_for(config: TrainingConfig) -> tuple[ModelProfile, ModelProfile | None]:
    """Profiles of a configuration's model and, where it has one, text encoder. As `request`."""
    model, encoder = config.model, config.text_encoder
    profile = request(model.name_or_path, model.revision, trust_remote_code=model.trust_remote_code)
    if not encoder.enabled:
        return profile, None
    return profile, request(encoder.name_or_path, encoder.revision, role="encoder")


def _build(
    name: str, revision: str | None, role: Role, *, trust_remote_code: bool, timeout: float
) -> ModelProfile:
    arguments = [f"--role={role}"]
    if revision:
        arguments.append(f"--revision={revision}")
    if trust_remote_code:
        arguments.append("--trust-remote-code")
    arguments += ["--", name]
    try:
        answer = ask(
            "deepsynth_tui.estimate.profiles.job",
            arguments,
            about=f"The profile of {name}",
            timeout=timeout,
            if_late="Check the network, or download the model's config.json and give its folder.",
        )
    except ChildError as error:
        raise ProfileError(error.message, error.advice) from error
    profile = ModelProfile.from_json(answer)
    save(profile)
    return profile
