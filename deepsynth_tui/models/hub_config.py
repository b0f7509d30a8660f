"""Load a model's config: from a folder, the Hub's cache, this package, or the Hub, in this order.

Runs only in child processes and jobs, which may import transformers. For the models in
``presets/models`` the package contains the config, so they need no network.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from deepsynth_tui.builtin import ENCODERS, TINY_VLM, UnknownBuiltin, locate
from deepsynth_tui.config.presets import presets_dir
from deepsynth_tui.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

# Timeout of the request that checks whether the Hub is reachable.
HUB_TIMEOUT_SECONDS = 8
PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")


class UnknownModelError(UserError):
    """No usable config is found under a model's name."""


@dataclass(frozen=True)
class HubConfig:
    """A model's config, the settings of its image processor (empty without one), and the source.

    ``shipped`` means that this package contains the config.
    """

    config: PreTrainedConfig
    processor: dict[str, Any]
    origin: Literal["hub", "folder", "shipped"]


def find_hub_config(
    name: str, revision: str | None = None, *, trust_remote_code: bool = False
) -> HubConfig:
    """Load the config of a model from the first place that has it.

    The order is: the folder `name`, the Hub's cache, this package, the Hub.

    Raises:
        UnknownModelError: no place has a config, or it cannot be loaded.
    """
    if not name:  # Path("") is the working directory
        raise UnknownModelError(
            "No model is chosen.", "Give a Hub id, a checkpoint folder, or builtin:tiny-vlm."
        )
    try:
        path = Path(locate(name)).expanduser()
    except UnknownBuiltin as error:
        raise UnknownModelError(
            f"{error}.", "Use one of these names, a Hub id, or a checkpoint folder."
        ) from error
    if path.is_dir():
        return _from_folder(path, trust_remote_code=trust_remote_code)
    options: dict[str, Any] = {"revision": revision, "trust_remote_code": trust_remote_code}
    try:
        return _from_hub(name, local_files_only=True, **options)
    except OSError:
        bundled = bundled_models().get(name)
        if bundled is not None and revision is None:
            return _from_package(bundled)
    if not hub_is_reachable():
        raise UnknownModelError(
            f"{name} is not on this machine, and the Hub cannot be reached.",
            "Check the name and the network. Without a network use a folder with the model's "
            "config.json, or one of: " + ", ".join([TINY_VLM, *ENCODERS, *bundled_models()]) + ".",
        )
    try:
        return _from_hub(name, local_files_only=False, **options)
    except OSError as error:
        raise UnknownModelError(
            f"The Hub has no config of {name}: {str(error).splitlines()[0]}",
            "Check the id and the revision. For a private model log in with `hf auth login`.",
        ) from error


def bundled_models() -> dict[str, dict[str, Any]]:
    """Return the entries of ``presets/models`` by Hub id."""
    folder = presets_dir() / "models"
    entries = (yaml.safe_load(path.read_text("utf-8")) for path in sorted(folder.glob("*.yaml")))
    return {entry["id"]: entry for entry in entries}


def _from_folder(folder: Path, *, trust_remote_code: bool) -> HubConfig:
    if not (folder / "config.json").is_file():
        raise UnknownModelError(
            f"The folder {folder} has no config.json.",
            "Give a folder that transformers' save_pretrained wrote.",
        )
    config = _load_config(str(folder), trust_remote_code=trust_remote_code)
    return HubConfig(config, _read_processor(str(folder)), "folder")


def _from_hub(name: str, **options: Any) -> HubConfig:
    config = _load_config(name, **options)
    options.pop("trust_remote_code")
    return HubConfig(config, _read_processor(name, **options), "hub")


def _from_package(entry: dict[str, Any]) -> HubConfig:
    from transformers import AutoConfig

    values = dict(entry["config"])
    config = AutoConfig.for_model(values.pop("model_type"), **values)
    return HubConfig(config, entry.get("processor", {}), "shipped")


def hub_is_reachable() -> bool:
    """Whether the Hub answers a single request.

    The Hub client itself would retry for half a minute on a machine without a network.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=HUB_TIMEOUT_SECONDS).close()
    except urllib.error.HTTPError:
        return True
    except OSError as error:
        # The Hub client may use other certificates, so a failed verification is no proof.
        return isinstance(getattr(error, "reason", None), ssl.SSLError)
    return True


def _load_config(name: str, **options: Any) -> PreTrainedConfig:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(name, **options)
    except ValueError as error:
        if "trust_remote_code" in str(error):
            raise UnknownModelError(
                f"{name} contains Python code of its own.",
                "Read that code, then set model.trust_remote_code and pin model.revision.",
            ) from error
        raise UnknownModelError(
            f"The installed transformers does not know the model type of {name}.",
            "A newer transformers may know it. Otherwise choose another model.",
        ) from error


def _read_processor(name: str, **options: Any) -> dict[str, Any]:
    from transformers.utils.hub import cached_file

    processor: dict[str, Any] = {}
    for file in PROCESSOR_FILES:
        path = cached_file(
            name,
            file,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
            **options,
        )
        if path is not None:
            settings = json.loads(Path(path).read_text("utf-8"))
            processor |= settings.get("image_processor", settings)
    return processor
