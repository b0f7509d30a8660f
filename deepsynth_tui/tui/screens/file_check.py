"""Checking the files and models that a form names, after each change of these fields."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deepsynth_tui.config.kinds import RunKind

if TYPE_CHECKING:
    from deepsynth_tui.config.kinds import Config
    from deepsynth_tui.tui.forms.values import FormValues
    from deepsynth_tui.workflows.preflight import Preflight

DELAY_SECONDS = 0.4
"""Time without a change before the files are checked."""


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

    def reset(self, values: FormValues, *, can_run: bool) -> bool:
        """Discard the result unless it is of `values`, and return whether it was discarded.

        `can_run` says that `run` follows.
        """
        from deepsynth_tui.config.fields import fields_by_key
        from deepsynth_tui.config.kinds import CONFIG_TYPES

        fields = fields_by_key(CONFIG_TYPES[self._kind])
        inputs = {key: v for key, v in values.values.items() if fields[key].in_preflight}
        if inputs == self._inputs:
            return False
        self._inputs = inputs if can_run else None
        self.preflight, self.failure = None, ""
        return True

    async def run(self, config: Config) -> None:
        """Wait for a pause in the typing, then check `config` in a child process."""
        from deepsynth_tui.child_process import ChildError
        from deepsynth_tui.workflows.preflight import run_preflight

        config_text = json.dumps(config.model_dump())
        await asyncio.sleep(DELAY_SECONDS)
        try:
            self.preflight = await run_preflight(self._kind, config_text)
        except ChildError as error:
            self.failure = str(error)
