"""Checking the files and models that a form names, after each change of these fields."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepsynth_tui.config.kinds import Config, RunKind
    from deepsynth_tui.workflows.preflight import Preflight

DELAY_SECONDS = 0.4
"""Time without a change before the files are checked."""
MODEL_NAMES = ("model.name_or_path", "text_encoder.name_or_path")


class FileCheck:
    """The check of the values as they are.

    Attributes:
        preflight: The result, None while there is none.
        failure: Why there is no result, empty while the check runs or has succeeded.
    """

    def __init__(self, kind: RunKind) -> None:
        self._kind: RunKind = kind
        self._inputs: Mapping[str, Any] | None = None
        self.preflight: Preflight | None = None
        self.failure = ""

    @property
    def is_running(self) -> bool:
        """Whether the check was started and has neither a result nor failed."""
        return self._inputs is not None and self.preflight is None and not self.failure

    def reset(self, config: Config | None) -> bool:
        """Discard the result unless it is of `config`, and return whether it was discarded.

        With a configuration, `run` has to follow; None: there is nothing to check.
        """
        inputs = _inputs(self._kind, config) if config is not None else None
        if inputs == self._inputs and not (inputs is None and self.preflight):
            return False
        self._inputs = inputs
        self.preflight, self.failure = None, ""
        return True

    def forget(self) -> None:
        """Let the next `reset` discard the result, although nothing in the form has changed."""
        self._inputs, self.preflight, self.failure = None, None, ""

    async def run(self, config: Config, *, at_once: bool = False) -> None:
        """Wait for a pause in the typing unless `at_once`, then check `config` in a child process.

        No process is started for a name that is no Hub id yet, unless `at_once`.
        """
        from deepsynth_tui.child_process import ChildError
        from deepsynth_tui.tui.forms.half_typed import is_half_typed
        from deepsynth_tui.workflows.preflight import run_preflight

        config_text = json.dumps(config.model_dump())
        if not at_once:
            await asyncio.sleep(DELAY_SECONDS)
            if name := next(filter(is_half_typed, _model_names(self._inputs or {})), ""):
                self.failure = f"{name} is neither a folder nor a Hub id (owner/name)"
                return
        try:
            self.preflight = await run_preflight(self._kind, config_text)
        except ChildError as error:
            self.failure = str(error)


def _model_names(values: Mapping[str, Any]) -> list[str]:
    names = [str(values.get(key, "/")) for key in MODEL_NAMES]
    return names if values.get("text_encoder.enabled") else names[:1]


def _inputs(kind: RunKind, config: Config) -> Mapping[str, Any]:
    """Return the values that the result of the check depends on."""
    from deepsynth_tui.config.fields import fields_by_key
    from deepsynth_tui.config.kinds import CONFIG_TYPES
    from deepsynth_tui.config.leaves import leaves

    fields = fields_by_key(CONFIG_TYPES[kind])
    values = leaves(config.model_dump(), fields=fields)
    return {key: value for key, value in values if key in fields and fields[key].in_preflight}
