"""Collapsible sections of a form. The content of a collapsed one is built on first opening."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from textual.app import ComposeResult
from textual.content import Content
from textual.visual import VisualType
from textual.widget import Widget
from textual.widgets import Collapsible, Static
from textual.widgets.collapsible import CollapsibleTitle

from deepsynth_tui.config.fields import FieldSpec, SectionSpec
from deepsynth_tui.tui.forms.essential import folded_fields
from deepsynth_tui.tui.forms.values import FormValues
from deepsynth_tui.tui.widgets.field_row import FieldRow

RowFactory = Callable[[FieldSpec], FieldRow]


class SectionTitle(CollapsibleTitle):
    """A title of fixed width: a new text needs no new layout of the screen."""

    def update(self, content: VisualType = "", *, layout: bool = False) -> None:
        super().update(content, layout=layout)


class LazyCollapsible(Collapsible, inherit_css=False):
    """A collapsible that mounts its content when it is first opened.

    Does not inherit the style of Collapsible, whose `:focus-within` restyles the whole content
    with each Tab.

    It is collapsed at first.
    """

    DEFAULT_CSS = """
    LazyCollapsible {
        width: 1fr;
        height: auto;
        &.-collapsed > Contents { display: none; }
        & > Contents { padding: 0; }
        & > CollapsibleTitle { padding: 0 1 0 0; width: 1fr; background: transparent; }
        & > CollapsibleTitle:focus {
            background: $focus-background;
            color: $focus-foreground;
            text-style: $focus-text-style;
        }
    }
    """

    def __init__(self, *, id: str) -> None:
        # With the class from the start: to add it later styles the section again.
        super().__init__(title="", collapsed=True, id=id, classes="-collapsed")
        self._title = SectionTitle(
            label="", collapsed_symbol="▸", expanded_symbol="▾", collapsed=True
        )
        self.is_built = False

    @property
    def is_complete(self) -> bool:
        """Whether the content is mounted, or need not be."""
        return self.collapsed or (self.is_built and all(child.is_mounted for child in self.content))

    @property
    def content(self) -> Sequence[Widget]:
        """The widgets inside, empty until the first opening."""
        contents = self.query_children(self.Contents)
        return contents.first().children if contents else ()

    def create_content(self) -> Iterable[Widget]:
        """Return new widgets to mount inside."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        yield self._title

    async def open(self) -> None:
        """Expand, and wait until the content is mounted."""
        self.collapsed = False
        await self._build()

    async def watch_collapsed(self) -> None:
        if not self.collapsed:
            await self._build()

    async def _build(self) -> None:
        if not self.is_built and self.is_attached:
            self.is_built = True
            await self.mount(self.Contents(*self.create_content()))

    def set_title(self, name: str, *details: str, problems: int = 0) -> None:
        """Show a name, details of the content after it, and the number of problems inside."""
        parts = [Content.styled(f" · {text}", "$muted not bold") for text in details if text]
        if problems:
            text = f" · {_problems_text(problems)}"
            parts.append(Content.styled(text, "$text-error not bold"))
        self._title.label = Content.assemble(name, *parts)


class AdvancedFields(LazyCollapsible):
    """The advanced fields of a section, collapsed."""

    DEFAULT_CSS = "AdvancedFields > CollapsibleTitle { padding-left: 2; color: $muted; }"

    def __init__(
        self, section: SectionSpec, fields: Iterable[FieldSpec], make_row: RowFactory
    ) -> None:
        super().__init__(id=f"advanced-{section.key}")
        self.fields = tuple(fields)
        self._make_row = make_row

    def create_content(self) -> Iterable[Widget]:
        return [self._make_row(field) for field in self.fields]

    def show(self, form: FormValues, invalid: Collection[str]) -> None:
        """Show in the title how many fields there are, are changed, and are `invalid`."""
        changed = sum(form.is_changed(field.key) for field in self.fields)
        problems = sum(field.key in invalid for field in self.fields)
        self.set_title(f"{len(self.fields)} more", _changed_text(changed), problems=problems)


class Section(LazyCollapsible):
    """A section: its switch, the fields shown while the switch is on, and the advanced fields.

    The essential fields, which the form shows before its sections, are not repeated.
    """

    DEFAULT_CSS = """
    Section { margin: 0 0 1 0; }
    Section.-collapsed { margin: 0; }
    Section > CollapsibleTitle { text-style: bold; color: $primary; }
    Section .hint { color: $muted; padding-left: 2; }
    """

    def __init__(
        self,
        spec: SectionSpec,
        form: FormValues,
        make_row: RowFactory,
    ) -> None:
        super().__init__(id=f"section-{spec.key or 'general'}")
        self.spec = spec
        self.fields = folded_fields(form.kind, spec)
        self._form = form
        self._invalid: Collection[str] = ()
        self._make_row = make_row

    @property
    def is_on(self) -> bool:
        """Whether the section has no switch, or its switch is on."""
        return self.spec.switch is None or self._form.values[self.spec.switch.key] is True

    def create_content(self) -> Sequence[Widget]:
        plain = [field for field in self.fields if not field.advanced]
        advanced = [field for field in self.fields if field.advanced]
        rows: list[Widget] = [self._make_row(field) for field in plain]
        if advanced:
            rows.append(AdvancedFields(self.spec, advanced, self._make_row))
        if (switch := self.spec.switch) and switch not in plain:
            rows.append(Static(f"Off: turn on {switch.label} above.", classes="hint"))
        self._update_rows(rows)
        return rows

    def on_mount(self) -> None:
        self._update_title()

    def show(self, form: FormValues, invalid: Collection[str]) -> None:
        """Show other values; `invalid` are the keys of fields with a problem."""
        self._form, self._invalid = form, invalid
        self._update_title()
        self._update_rows(self.content)

    def _update_title(self) -> None:
        self.set_title(
            self.spec.title or "General",
            self._summary(),
            _changed_text(len(self._form.changed_keys(self.spec))),
            problems=sum(field.key in self._invalid for field in self.fields),
        )

    def _summary(self) -> str:
        """Return `off` or the most important values; empty if the section has no summary."""
        return self.spec.summarize(self._form.values) if self.is_on else "off"

    def _update_rows(self, rows: Iterable[Widget]) -> None:
        for row in rows:
            if isinstance(row, AdvancedFields):
                row.show(self._form, self._invalid)
            is_switch = isinstance(row, FieldRow) and row.spec == self.spec.switch
            is_hint = isinstance(row, Static)
            row.display = is_switch or self.is_on != is_hint


def _changed_text(count: int) -> str:
    """Return the number of fields that differ from the preset, empty for none."""
    return f"{count} changed" if count else ""


def _problems_text(count: int) -> str:
    return f"✗ {count} problem{'s' if count > 1 else ''}"
