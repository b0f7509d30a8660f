"""Keys are handled one at a time, in the order in which they were typed.

Textual hands a key to the focused widget, which inserts a printable character at once. A key that
is bound to an action first travels up to the application, from queue to queue, and meanwhile the
characters typed after it are inserted: `a`, Backspace, `b` gives nothing, and what is typed after
Tab stands in the field before it. Here the next key waits until the action of the one before has
run and its messages have arrived, dialogs that it opened are there, and the focus has moved.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from textual import events
from textual.app import App
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget

from deepsynth_tui.tui.calm_screen import CalmScreen

LONGEST_WAIT = 10.0
"""Seconds after which the next key is handled, even if the one before is not done."""
POLL_SECONDS = 0.02
"""Time between two looks at a screen that takes no keys yet."""

TypedEvent = events.Key | events.Paste
_Place = tuple[Screen[Any], Widget | None]


class KeyOrder:
    """Holds keys and pastes back while one of them is being handled.

    Args:
        app: The application, which has a screen.
        dispatch: Starts to handle an event, as the application does without this class.
    """

    def __init__(self, app: App[Any], dispatch: Callable[[TypedEvent], Awaitable[None]]) -> None:
        self._app = app
        self._dispatch = dispatch
        self._waiting: deque[TypedEvent] = deque()
        self._limit: asyncio.TimerHandle | None = None
        self._turn = 0
        self._typed_into: Widget | None = None

    async def handle(self, event: TypedEvent) -> None:
        """Handle a key or paste now, or after those that are waiting."""
        self._waiting.append(event)
        follows_text = len(self._waiting) == 1 and self._is_more_text(event)
        if self._limit is None or follows_text:
            self._turn += 1
            self._start_limit()
            await self._next(self._turn)

    def _give_up(self) -> None:
        """Handle the next key although the one before is not done."""
        self._turn += 1
        self._start_limit()
        self._app.call_later(self._next, self._turn, force=True)

    def _start_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
        self._limit = asyncio.get_running_loop().call_later(LONGEST_WAIT, self._give_up)

    async def _next(self, turn: int, *, force: bool = False) -> None:
        """Handle the first waiting key, once the screen takes keys."""
        if turn != self._turn or self._limit is None or not self._app.screen_stack:
            return
        self._typed_into = None
        if not self._waiting:
            self._limit.cancel()
            self._limit = None
            return
        self._start_limit()
        if not force and not _takes_keys(self._app.screen):
            self._app.set_timer(POLL_SECONDS, lambda: self._next(turn))
            return
        place = self._place
        event = self._waiting.popleft()
        self._typed_into = place[1] if _is_text(event, place[1]) else None
        await self._dispatch(event)
        while self._waiting and self._is_more_text(self._waiting[0]):
            await self._dispatch(self._waiting.popleft())
        self._visit(self._path(place), turn, place=None)

    def _is_more_text(self, event: TypedEvent) -> bool:
        """Whether an event is text for the field that the events in progress are text for.

        The queue of the field keeps their order, so that it need not wait.
        """
        focused = self._typed_into
        return focused is not None and focused is self._place[1] and _is_text(event, focused)

    def _visit(self, nodes: list[DOMNode], turn: int, place: _Place | None) -> None:
        """Go from queue to queue behind the key, up to the application."""
        while nodes:
            if nodes.pop(0).call_later(self._visit, nodes, turn, place):
                return
        self._app.call_later(self._arrive, turn, place)

    async def _arrive(self, turn: int, place: _Place | None) -> None:
        """Go once more behind the messages of the action, until it moves the focus no more."""
        if turn != self._turn or not self._app.screen_stack:
            return
        if place is None or place != self._place:
            place = self._place
            self._visit(self._path(place), turn, place)
        else:
            await self._next(turn)

    @property
    def _place(self) -> _Place:
        screen = self._app.screen
        return screen, screen.focused

    @staticmethod
    def _path(place: _Place) -> list[DOMNode]:
        screen, focused = place
        return [*(focused or screen).ancestors_with_self]


def _takes_keys(screen: Screen[Any]) -> bool:
    return screen.takes_keys if isinstance(screen, CalmScreen) else True


def _is_text(event: TypedEvent, focused: Widget | None) -> bool:
    """Whether the focused widget inserts a key as a character."""
    return (
        isinstance(event, events.Key)
        and focused is not None
        and focused.check_consume_key(event.key, event.character)
    )
