"""What an x-ray shows of a batch. Made by `training.xray`, which has torch; read without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

Kind = Literal["masked", "learned", "image", "soft", "padding"]


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens in a row of one kind, and their text.

    `masked` ones have the label -100, as placeholders of an `image`, places of the text encoder's
    `soft` tokens and `padding` have; `learned` ones are what the loss is computed on.
    """

    kind: Kind
    tokens: int
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it is stored and as the processor gets it: (width, height) in pixels."""

    stored: tuple[int, int]
    given: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the batch.

    `template` is the conversation in the model's own words, before the processor puts a
    placeholder for every feature into it; `instruction` what a text encoder reads beside it, None
    without one. `learned` is the text of the labels. `features` of the
    vision tower take the place of the image tokens; None where they could not be counted.
    `cut` says what was left out of the row, empty if nothing was.
    """

    row_id: str
    template: str
    learned: str
    spans: tuple[Span, ...]
    pages: tuple[Page, ...]
    features: int | None
    cut: str = ""
    instruction: str | None = None

    def tokens(self, kind: Kind) -> int:
        """Tokens of one kind."""
        return sum(span.tokens for span in self.spans if span.kind == kind)


@dataclass(frozen=True, slots=True)
class Xray:
    """A batch. `shapes` of the tensors by their names; `counted_by` says how features were
    counted, or why they were not; `notes` are on the dataset as a whole."""

    model: str
    processor: str
    template_of: str
    shapes: Mapping[str, tuple[int, ...]]
    rows: tuple[Row, ...]
    counted_by: str
    notes: tuple[str, ...] = ()

    def tokens(self, kind: Kind) -> int:
        """Tokens of one kind in all rows."""
        return sum(row.tokens(kind) for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned."""
        shapes = {name: tuple(shape) for name, shape in found["shapes"].items()}
        rows = tuple(_row(one) for one in found["rows"])
        return cls(**{**found, "shapes": shapes, "rows": rows, "notes": tuple(found["notes"])})


def _row(found: Mapping[str, Any]) -> Row:
    pages = (Page(tuple(one["stored"]), tuple(one["given"])) for one in found["pages"])
    spans = (Span(**one) for one in found["spans"])
    return Row(**{**found, "spans": tuple(spans), "pages": tuple(pages)})
