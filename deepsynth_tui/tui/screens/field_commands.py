"""The fields of a form in the command palette: each goes to its field."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.command import Hit, Hits, Provider

if TYPE_CHECKING:
    from deepsynth_tui.config.fields import FieldSpec


class FieldCommands(Provider):
    """Fields by label and key, as `Field: Rank (r)`. Shown once something is typed."""

    def _fields(self) -> Iterator[tuple[str, FieldSpec]]:
        from deepsynth_tui.tui.forms.values import form_sections, visible_fields
        from deepsynth_tui.tui.widgets.form import Form

        for form in self.screen.query(Form):
            for section in form_sections(form.values.kind):
                for field in visible_fields(section):
                    place = f"{section.title}: " if section.title else ""
                    yield f"Field: {place}{field.label} ({field.key})", field

    async def search(self, query: str) -> Hits:
        from deepsynth_tui.tui.widgets.form import Form

        matcher = self.matcher(query)
        for title, field in self._fields():
            score = matcher.match(title)
            if score > 0:
                go = partial(self.screen.query_one(Form).focus_field, field.key)
                yield Hit(score, matcher.highlight(title), go, help=field.help)
