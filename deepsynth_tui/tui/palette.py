"""What the command palette offers: the actions that apply now, and the presets of a form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual import events
from textual.app import SystemCommand
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode
from textual.screen import Screen

from deepsynth_tui.tui.actions import ACTIONS, Action
from deepsynth_tui.tui.calm_screen import stop_blinking

if TYPE_CHECKING:
    from deepsynth_tui.config.presets import Preset


class CalmCommandPalette(CommandPalette):
    """Textual's command palette, without a blinking cursor."""

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        stop_blinking(event.widget)


@dataclass(frozen=True, slots=True)
class ApplicableAction:
    """An action that applies now, the node that it runs on, and its keys as they are displayed."""

    action: Action
    node: DOMNode
    keys: str


def applicable_actions(screen: Screen[object]) -> list[ApplicableAction]:
    """Return the actions that apply on `screen` now, in the order of the table."""
    enabled = [active for active in screen.active_bindings.values() if active.enabled]
    applicable = []
    for action in ACTIONS:
        matches = [active for active in enabled if active.binding.id == action.id]
        if matches:
            keys = " ".join(screen.app.get_key_display(active.binding) for active in matches)
            applicable.append(ApplicableAction(action, matches[0].node, keys))
    return applicable


def commands(screen: Screen[object]) -> Iterable[SystemCommand]:
    """Yield a command for each action that applies on `screen` now."""
    for applicable in applicable_actions(screen):
        action = applicable.action
        run = partial(screen.app.run_action, action.method, applicable.node)
        yield SystemCommand(action.label, f"{action.help} ({applicable.keys})", run)


class PresetCommands(Provider):
    """The presets of the form on this screen, as `Preset: ...`."""

    def _presets_by_title(self) -> dict[str, Preset]:
        # Deferred: the first frame of a form screen is drawn before presets are read.
        from deepsynth_tui.config.presets import list_presets
        from deepsynth_tui.tui.forms.values import PALETTE_GROUPS
        from deepsynth_tui.tui.widgets.form import Form

        return {
            f"Preset: {group} {preset.name}": preset
            for form in self.screen.query(Form)
            for group in PALETTE_GROUPS[form.values.kind]
            for preset in list_presets(group)
        }

    def _use_preset(self, preset: Preset) -> None:
        from deepsynth_tui.tui.widgets.form import Form

        self.screen.query_one(Form).use_preset(preset)

    async def discover(self) -> Hits:
        for title, preset in self._presets_by_title().items():
            yield DiscoveryHit(title, partial(self._use_preset, preset), help=preset.title)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, preset in self._presets_by_title().items():
            score = matcher.match(title)
            if score > 0:
                highlighted = matcher.highlight(title)
                command = partial(self._use_preset, preset)
                yield Hit(score, highlighted, command, help=preset.title)
