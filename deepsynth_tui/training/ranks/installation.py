"""What has to be the same on all machines of a run, compared when one joins."""

from __future__ import annotations

import hashlib
import platform
from importlib import metadata

from deepsynth_tui import __version__
from deepsynth_tui.machine import nvml
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.training.ranks.join_protocol import Installation, RefusedMessage

PACKAGES = ("torch", "transformers", "peft", "accelerate", "bitsandbytes")
"""Packages that decide about the numbers of a run. The build of torch is part of its version."""


def own_installation(run: RunDirectory) -> Installation:
    """Return that of this machine. Raises OSError if the configuration cannot be read."""
    python = ".".join(platform.python_version_tuple()[:2])
    versions = {"deepsynth-tui": __version__, "Python": python}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    config = hashlib.sha256(run.config.read_bytes()).hexdigest()
    return Installation(config, versions, has_gpus=bool(nvml.probe().devices))


def difference(
    owner: Installation, owner_name: str, other: Installation, other_name: str
) -> RefusedMessage | None:
    """Return why a machine cannot take part in a run of `owner`, None if it can."""
    if other.config != owner.config:
        return RefusedMessage(
            f"The configuration of the run on {other_name} is not that on {owner_name}",
            "Name the same run folder, on a disk that both share",
        )
    for name, version in owner.packages.items():
        if (theirs := other.packages.get(name)) != version:
            return RefusedMessage(
                f"{name} is {theirs or 'unknown'} on {other_name} and {version} on {owner_name}",
                "Install the same version on all machines",
            )
    if other.has_gpus != owner.has_gpus:
        lacking, having = (owner_name, other_name) if other.has_gpus else (other_name, owner_name)
        return RefusedMessage(
            f"{lacking} has no GPU that it can use, and {having} has",
            "Run `deepsynth-tui gpus` on both. CUDA_VISIBLE_DEVICES= trains on the CPU",
        )
    return None
