"""The content of an x-ray. The server makes it with torch; reading it needs no heavy library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

TokenKind = Literal["masked", "learned", "image", "soft", "padding"]


@dataclass(frozen=True, slots=True)
class TokenSpan:
    """Consecutive tokens of one kind in a row, and their text.

    The loss is computed on `learned` tokens. All others have the label -100: `masked` ones, image
    placeholders, placeholders of the text encoder's `soft` tokens, and `padding`.
    """

    kind: TokenKind
    tokens: int
    text: str


@dataclass(frozen=True, slots=True)
class XrayPage:
    """Size of a page as stored and as given to the processor: (width, height) in pixels."""

    stored: tuple[int, int]
    given: tuple[int, int]


@dataclass(frozen=True, slots=True)
class XrayRow:
    """A row of the batch.

    `template` is the rendered chat template, before the processor inserts a placeholder for every
    image feature. `learned` is the text of the labels. `features` of the vision tower replace the
    image placeholders; None if they could not be counted. `cut` says what was truncated, empty if
    nothing. `instruction` goes to the text encoder, None without one.
    """

    row_id: str
    template: str
    learned: str
    spans: tuple[TokenSpan, ...]
    pages: tuple[XrayPage, ...]
    features: int | None
    cut: str = ""
    instruction: str | None = None

    def tokens(self, kind: TokenKind) -> int:
        """Return the number of tokens of one kind."""
        return sum(span.tokens for span in self.spans if span.kind == kind)


@dataclass(frozen=True, slots=True)
class Xray:
    """A batch.

    `shapes` are those of its tensors by name. `counted_by` says how features were counted, or why
    not. `dataset` says how its rows are read, and `notes` are about all of them.
    """

    model: str
    processor: str
    template_of: str
    shapes: Mapping[str, tuple[int, ...]]
    rows: tuple[XrayRow, ...]
    counted_by: str
    notes: tuple[str, ...] = ()
    dataset: tuple[str, ...] = ()

    def tokens(self, kind: TokenKind) -> int:
        """Return the number of tokens of one kind in all rows."""
        return sum(row.tokens(kind) for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned."""
        shapes = {name: tuple(shape) for name, shape in fields["shapes"].items()}
        rows = tuple(_row_from_json(row) for row in fields["rows"])
        texts = {name: tuple(fields[name]) for name in ("notes", "dataset")}
        return cls(**{**fields, "shapes": shapes, "rows": rows, **texts})


def _row_from_json(fields: Mapping[str, Any]) -> XrayRow:
    pages = (XrayPage(tuple(page["stored"]), tuple(page["given"])) for page in fields["pages"])
    spans = (TokenSpan(**span) for span in fields["spans"])
    return XrayRow(**{**fields, "spans": tuple(spans), "pages": tuple(pages)})
