"""Sections of a form. What a closed one holds is built when it is first opened."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from textual.app import ComposeResult
from textual.content import Content
from textual.visual import VisualType
from textual.widget import Widget
from textual.widgets import Collapsible
from textual.widgets.collapsible import CollapsibleTitle

from deepsynth_tui.config.fields import FieldSpec, SectionSpec
from deepsynth_tui.tui.forms.section_titles import (
    changes_text,
    problems_text,
    section_state,
)
from deepsynth_tui.tui.forms.values import FormValues, shown_fields
from deepsynth_tui.tui.widgets.field_row import FieldRow

RowFactory = Callable[[FieldSpec], FieldRow]


class Title(CollapsibleTitle):
    """A title as wide as its fold: other words in it are no reason to lay out the screen anew."""

    def update(self, content: VisualType = "", *, layout: bool = False) -> None:
        super().update(content, layout=layout)


class Fold(Collapsible, inherit_css=False):
    """A collapsible whose content is mounted when it is first open.

    A `late` one that is open from the start is filled after the first paint. The style of
    Collapsible is left behind because its `:focus-within` has every Tab restyle all that it holds.
    """

    DEFAULT_CSS = """
    Fold {
        width: 1fr;
        height: auto;
        &.-collapsed > Contents { display: none; }
        & > Contents { padding: 0; }
        & > CollapsibleTitle { padding: 0 1 0 0; width: 1fr; background: transparent; }
        & > CollapsibleTitle:focus { background: $primary 30%; color: $foreground; }
    }
    """

    def __init__(self, *, collapsed: bool, late: bool = False, id: str) -> None:
        super().__init__(title="", collapsed=collapsed, id=id)
        self._title = Title(
            label="", collapsed_symbol="▸", expanded_symbol="▾", collapsed=collapsed
        )
        self.is_built = False
        self._is_late = late

    def content(self) -> Iterable[Widget]:
        """The widgets inside, made anew."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        yield self._title
        with self.Contents():
            if not self.collapsed and not self._is_late:
                self.is_built = True
                yield from self.content()

    async def open(self) -> None:
        """Open the fold and wait until what it holds is there."""
        self.collapsed = False
        await self._build()

    async def watch_collapsed(self) -> None:
        if not self.collapsed:
            await self._build()

    async def _build(self) -> None:
        if not self.is_built and self.is_attached:
            self.is_built = True
            await self.query_one(Collapsible.Contents).mount_all(self.content())

    def entitle(self, name: str, *said: str, problems: int = 0) -> None:
        """Show the name and, quietly after it, what is said of the content."""
        parts = [Content.styled(f" · {text}", "$muted not bold") for text in said if text]
        if problems:
            wrong = f" · {problems_text(problems)}"
            parts.append(Content.styled(wrong, "$text-error not bold"))
        self.query_one(CollapsibleTitle).label = Content.assemble(name, *parts)


class More(Fold):
    """The advanced fields of a section, folded away."""

    DEFAULT_CSS = "More > CollapsibleTitle { padding-left: 2; color: $muted; }"

    def __init__(self, section: SectionSpec, make_row: RowFactory) -> None:
        super().__init__(collapsed=True, id=f"more-{section.key}")
        self.fields = tuple(field for field in shown_fields(section) if field.advanced)
        self._make_row = make_row

    def content(self) -> Iterable[Widget]:
        return [self._make_row(field) for field in self.fields]

    def show(self, form: FormValues, wrong: Collection[str]) -> None:
        """Say in the title how many there are, and what is to be known about them."""
        changed = sum(form.is_changed(field.key) for field in self.fields)
        problems = sum(field.key in wrong for field in self.fields)
        self.entitle(f"{len(self.fields)} more", changes_text(changed), problems=problems)


class Section(Fold):
    """A section: its switch, the fields that the switch reveals, and the advanced ones."""

    DEFAULT_CSS = """
    Section { margin: 1 0; }
    Section.-collapsed { margin: 0; }
    Section > CollapsibleTitle { text-style: bold; color: $primary; }
    """

    def __init__(
        self,
        spec: SectionSpec,
        form: FormValues,
        make_row: RowFactory,
        *,
        collapsed: bool,
        late: bool,
    ) -> None:
        super().__init__(collapsed=collapsed, late=late, id=f"section-{spec.key}")
        self.spec = spec
        self._form = form
        self._wrong: Collection[str] = ()
        self._make_row = make_row

    @property
    def is_on(self) -> bool:
        """Whether the section's switch is on, or it has none."""
        return self.spec.switch is None or self._form.values[self.spec.switch.key] is True

    def content(self) -> Sequence[Widget]:
        fields = shown_fields(self.spec)
        rows: list[Widget] = [self._make_row(field) for field in fields if not field.advanced]
        if any(field.advanced for field in fields):
            rows.append(More(self.spec, self._make_row))
        self._reveal(rows)
        return rows

    def on_mount(self) -> None:
        self._entitle()
        if not self.collapsed:
            self.call_after_refresh(self._build)

    def show(self, form: FormValues, wrong: Collection[str]) -> None:
        """Show other values; `wrong` are the keys of fields with a problem."""
        self._form, self._wrong = form, wrong
        self._entitle()
        contents = self.query_one(Collapsible.Contents)
        self._reveal(contents.children)

    def _entitle(self) -> None:
        keys = [field.key for field in self.spec.fields]
        self.entitle(
            self.spec.title,
            section_state(self.spec, self._form),
            changes_text(len(self._form.changed(self.spec))),
            problems=sum(key in self._wrong for key in keys),
        )

    def _reveal(self, rows: Iterable[Widget]) -> None:
        for row in rows:
            if isinstance(row, More):
                row.call_after_refresh(row.show, self._form, self._wrong)
            is_switch = isinstance(row, FieldRow) and row.spec == self.spec.switch
            row.display = is_switch or self.is_on
