"""What the command palette offers: the actions that apply now, and the presets of a form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode
from textual.screen import Screen

from deepsynth_tui.tui.actions import ACTIONS, Action

if TYPE_CHECKING:
    from deepsynth_tui.config.presets import Preset


@dataclass(frozen=True, slots=True)
class Applicable:
    """An action that applies now, the node it runs on, and its keys as they are shown."""

    action: Action
    node: DOMNode
    keys: str


def applicable_actions(screen: Screen[object]) -> list[Applicable]:
    """Return the actions of the table that apply on `screen` now, in the order of the table."""
    active = [one for one in screen.active_bindings.values() if one.enabled]
    found = []
    for action in ACTIONS:
        ours = [one for one in active if one.binding.id == action.id]
        if ours:
            keys = " ".join(screen.app.get_key_display(one.binding) for one in ours)
            found.append(Applicable(action, ours[0].node, keys))
    return found


def commands(screen: Screen[object]) -> Iterable[SystemCommand]:
    """Return a command of the palette for each action that applies on `screen` now."""
    for one in applicable_actions(screen):
        run = partial(screen.app.run_action, one.action.method, one.node)
        yield SystemCommand(one.action.label, f"{one.action.help} ({one.keys})", run)


class PresetCommands(Provider):
    """Presets of the form on this screen, as `Preset: ...`."""

    def _presets(self) -> dict[str, Preset]:
        # Deferred: the first frame of a form screen is drawn before presets are read.
        from deepsynth_tui.config.presets import list_presets
        from deepsynth_tui.tui.forms.values import PRESET_GROUPS
        from deepsynth_tui.tui.widgets.form import Form

        return {
            f"Preset: {group} {preset.name}": preset
            for form in self.screen.query(Form)
            for group in PRESET_GROUPS[form.values.kind]
            for preset in list_presets(group)
        }

    def _use(self, preset: Preset) -> None:
        from deepsynth_tui.tui.widgets.form import Form

        self.screen.query_one(Form).use_preset(preset)

    async def discover(self) -> Hits:
        for title, preset in self._presets().items():
            yield DiscoveryHit(title, partial(self._use, preset), help=preset.title)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, preset in self._presets().items():
            score = matcher.match(title)
            if score > 0:
                shown = matcher.highlight(title)
                yield Hit(score, shown, partial(self._use, preset), help=preset.title)
