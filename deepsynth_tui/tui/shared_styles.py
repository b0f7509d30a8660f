"""A stylesheet that is parsed once, and matched once for all nodes that no selector can tell apart.

Textual parses all CSS anew when a theme is set or a screen brings its own file, and matches the
rules for each row of a form, for each part of its text field (cursor, placeholder, ...), and again
with each change of a class. Browsers share styles between such nodes for the same reason.
"""

from __future__ import annotations

from typing import Any, Final

from textual.app import App
from textual.cache import LRUCache
from textual.css.model import SelectorType
from textual.css.styles import RulesMap
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode
from textual.widget import Widget

MAX_SOURCES = 512
"""Parsed sources that are kept. Textual keeps 64: with more, each new widget parses them all."""
MAX_SHARED = 4096
"""Matched rules that are kept."""
_OF_WIDGET: Final = {"hover", "focus", "blur", "can-focus", "disabled", "enabled"}
_OF_APP: Final = {"dark", "light", "inline", "ansi", "nocolor"}

Signature = tuple[object, ...]


class SharedStylesheet(Stylesheet):
    """Finds the rules of a node by what selectors look at: the path from the app to the node."""

    def __init__(self, *, variables: dict[str, str] | None = None) -> None:
        super().__init__(variables=variables)
        self._parse_cache = LRUCache(MAX_SOURCES)
        self._shared: LRUCache[Signature, RulesMap] = LRUCache(MAX_SHARED)
        self._shared_map: dict[str, Any] | None = None
        self._ids: set[str] = set()
        self._can_share = True

    def copy(self) -> SharedStylesheet:
        """Return a stylesheet with the same sources, and what was parsed of them."""
        copied = SharedStylesheet(variables=self._variables.copy())
        copied.source = self.source.copy()
        copied._parse_cache = self._parse_cache
        return copied

    def set_variables(self, variables: dict[str, str]) -> None:
        """Set CSS variables, and forget what was parsed if they are others."""
        if variables != self._variables:
            self._parse_cache = LRUCache(MAX_SOURCES)
            super().set_variables(variables)

    def reparse(self) -> None:
        """Parse the sources that are not parsed with the current variables."""
        self.parse()

    def apply(
        self, node: DOMNode, *, animate: bool = False, cache: dict[tuple, RulesMap] | None = None
    ) -> None:
        """Apply the rules that were matched for a node with the same signature, or match them."""
        if self.rules_map is not self._shared_map:
            self._start_sharing()
        if self._can_share:
            super().apply(node, animate=animate, cache=_Entry(self._shared, self._signature(node)))
        else:
            super().apply(node, animate=animate, cache=cache)

    def _start_sharing(self) -> None:
        """Forget what was matched with other rules."""
        self._shared.clear()
        self._shared_map = self.rules_map
        self._ids = {
            selector.name
            for rule in self.rules
            for selectors in rule.selector_set
            for selector in selectors.selectors
            if selector.type is SelectorType.ID
        }
        names = set[str]().union(*(rule.pseudo_classes for rule in self.rules))
        # Textual asks for no entry where a rule depends on one of the excluded names.
        self._can_share = names <= _OF_WIDGET | _OF_APP | self._EXCLUDE_PSEUDO_CLASSES_FROM_CACHE

    def _signature(self, node: DOMNode) -> Signature:
        """Return what selectors can look at in a node and its ancestors."""
        ids = self._ids
        return tuple(
            (type(each), each.id if each.id in ids else None, each.classes, _state(each))
            for each in node.css_path_nodes
        )


def _state(node: DOMNode) -> tuple[object, ...]:
    if isinstance(node, Widget):
        return node.mouse_hover, node.has_focus, node.disabled, node.allow_focus()
    if isinstance(node, App):
        return (
            node.app_focus,
            node.current_theme.dark,
            node.is_inline,
            node.native_ansi_color,
            node.no_color,
        )
    return ()


class _Entry(dict[tuple, RulesMap]):
    """The cache that `Stylesheet.apply` takes, with a single entry: that of a signature."""

    def __init__(self, shared: LRUCache[Signature, RulesMap], signature: Signature) -> None:
        super().__init__()
        self._shared = shared
        self._signature = signature

    def get(self, key: tuple, default: Any = None) -> Any:
        return self._shared.get(self._signature, default)

    def __setitem__(self, key: tuple, rules: RulesMap) -> None:
        self._shared[self._signature] = rules
