"""Estimates for the Training screen: what blocks, in one place, to be called in a thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.closed_form import Estimate, estimate
from deepsynth_tui.estimate.dataset_facts import DatasetFacts
from deepsynth_tui.estimate.machine.gpus import catalogue
from deepsynth_tui.estimate.profiles import profile as profiles
from deepsynth_tui.estimate.profiles.asking import request
from deepsynth_tui.estimate.profiles.profile import ModelProfile, Role


@dataclass(frozen=True, slots=True)
class ModelKey:
    """What a profile depends on."""

    name: str
    revision: str | None = None
    role: Role = "model"
    trust_remote_code: bool = False


def models_of(config: TrainingConfig) -> tuple[ModelKey, ...]:
    """Return the models that an estimate of `config` needs profiles of; the encoder comes last."""
    model = config.model
    main = ModelKey(model.name_or_path, model.revision, trust_remote_code=model.trust_remote_code)
    if not config.text_encoder.enabled:
        return (main,)
    return (main, ModelKey(config.text_encoder.name_or_path, role="encoder"))


def cached_profile(key: ModelKey) -> ModelProfile | None:
    """Return a profile from the cache: a file of a few hundred kB is read."""
    return profiles.load(key.name, key.revision, key.role)


def made_profile(key: ModelKey) -> ModelProfile:
    """Return a profile, made by a child process if need be: seconds. Raises ProfileError."""
    return request(key.name, key.revision, role=key.role, trust_remote_code=key.trust_remote_code)


def estimate_of(
    config: TrainingConfig, found: Sequence[ModelProfile], rows: int | None
) -> Estimate:
    """Estimate `config` on `rows` rows for every GPU of the catalogue. Raises CatalogueError."""
    encoder = found[1] if len(found) > 1 else None
    return estimate(
        config, found[0], gpus=catalogue(), encoder=encoder, dataset=DatasetFacts(rows=rows)
    )
