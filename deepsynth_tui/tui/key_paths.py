"""What people do most, in as few keys as possible. The help shows them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from deepsynth_tui.tui.actions import ACTIONS_BY_ID, display_key, keys_in_force


@dataclass(frozen=True, slots=True)
class KeyPath:
    """A goal, and the actions that reach it in turn from anywhere where the first applies."""

    goal: str
    actions: tuple[str, ...]

    @property
    def keys(self) -> list[str]:
        """The first key of each action, as Textual names it."""
        return [keys_in_force(ACTIONS_BY_ID[each]).split(",")[0] for each in self.actions]


KEY_PATHS = (
    KeyPath("next rank", ("fit.panel", "fit.rank_up")),
    KeyPath("4-bit", ("fit.panel", "fit.four_bits")),
    KeyPath("why the newest run failed", ("app.runs", "runs.open")),
    KeyPath(
        "compare the two newest runs",
        ("app.runs", "runs.mark", "run_table.down", "runs.compare"),
    ),
    KeyPath("resume this run", ("runs.resume",)),
    KeyPath("resume this run", ("monitor.resume",)),
)


def applicable_paths(action_ids: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield keys, as keyboards label them, and the goal of each path that starts with one of these
    actions."""
    for path in KEY_PATHS:
        if path.actions[0] in action_ids:
            yield " ".join(map(display_key, path.keys)), path.goal
