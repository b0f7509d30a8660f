"""Ask for a model's profile: from the cache, else from a child process that has torch."""

from __future__ import annotations

import json
import subprocess
import sys

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.profiles.profile import ModelProfile, Role, load, save

# A cold profile takes a few seconds; the rest is for a slow Hub.
TIMEOUT_SECONDS = 180


class ProfileError(Exception):
    """A model has no profile. `message`: what happened; `advice`: what to do next."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message} {advice}")
        self.message = message
        self.advice = advice


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
    return profile, request(encoder.name_or_path, role="encoder") if encoder.enabled else None


def _build(
    name: str, revision: str | None, role: Role, *, trust_remote_code: bool, timeout: float
) -> ModelProfile:
    command = [sys.executable, "-m", "deepsynth_tui.estimate.profiles.job", f"--role={role}"]
    if revision:
        command.append(f"--revision={revision}")
    if trust_remote_code:
        command.append("--trust-remote-code")
    command += ["--", name]
    try:
        child = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProfileError(
            f"The profile of {name} was not ready after {timeout:.0f} seconds.",
            "Check the network, or download the model's config.json and give its folder.",
        ) from error
    if not child.stdout:
        ending = child.stderr.strip().rpartition("\n")[2]
        raise ProfileError(
            f"The process that reads {name} died with status {child.returncode}: {ending}",
            "Run `deepsynth-tui doctor` to see what is missing from the installation.",
        )
    answer = json.loads(child.stdout)
    if child.returncode != 0:
        raise ProfileError(answer["message"], answer["advice"])
    profile = ModelProfile.from_json(answer)
    save(profile)
    return profile
