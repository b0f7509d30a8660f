"""An x-ray as text has every figure, and no raw control character of the data."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from deepsynth_tui.training.xray.report import TokenSpan, Xray, XrayPage, XrayRow
from deepsynth_tui.training.xray.text import escape_invisible, xray_sections
from deepsynth_tui.tui.widgets.label_grid import label_grid

NASTY = "red\x1b[2J\x07\u202e\r\nblue\x9b31m"
ROW = XrayRow(
    row_id="row 3",
    template=f"<user>{NASTY}",
    learned=NASTY,
    spans=(
        TokenSpan("masked", 7, "<user>"),
        TokenSpan("image", 4, "<image>"),
        TokenSpan("learned", 9, NASTY),
        TokenSpan("padding", 2, "<pad>"),
    ),
    pages=(XrayPage((1024, 1024), (512, 512)), XrayPage((64, 32), (64, 32))),
    features=6,
    cut="9 of 20 tokens",
)
XRAY = Xray(
    model="some/model",
    processor="SomeProcessor",
    template_of="its own",
    shapes={"input_ids": (1, 22)},
    rows=(ROW,),
    counted_by="somehow",
    notes=("2 rows were left out",),
)


def _printed(xray: Xray, width: int) -> str:
    file = StringIO()
    console = Console(file=file, width=width, markup=False, highlight=False)
    for title, texts in xray_sections(xray):
        console.print(title)
        console.print(label_grid(texts))
    return file.getvalue()


def test_every_figure_is_shown() -> None:
    text = " ".join(_printed(XRAY, 80).split())
    for figure in (
        "1 row of 22 tokens, 22 in total",
        "9 tokens: the loss",
        "2 tokens (9%)",
        "4 placeholders, 6 features: NOT EQUAL",
        "1024×1024 pixels, resized to 512×512, 64×32 pixels",
        "<image> × 4",
        "<pad> × 2",
        "9 of 20 tokens",
        "! 2 rows were left out",
    ):
        assert figure in text


def test_control_characters_are_escaped() -> None:
    text = _printed(XRAY, 80)
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "red\\x1b[2J\\x07\\u202e\\r↵" in text
    assert "blue\\x9b31m" in text
    assert escape_invisible("zwei\u3000Wörter\ud800") == "zwei\u3000Wörter\\ud800"


def test_nothing_is_wider_than_the_terminal() -> None:
    assert max(map(len, _printed(XRAY, 60).splitlines())) <= 60


def test_json_round_trip() -> None:
    assert Xray.from_json(XRAY.to_json()) == XRAY
