"""ASCII forms of the signs that the interface draws."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from deepsynth_tui.tui.ascii_filter import SYMBOLS, is_utf8, to_ascii
from deepsynth_tui.tui.fit.memory_bar import PATTERNS
from deepsynth_tui.tui.run_view.labels import STATE_LABELS
from deepsynth_tui.tui.widgets.curves import BLOCKS, braille_curve

SIGNS = "".join(SYMBOLS)


def test_each_sign_is_declared_once_and_its_ascii_form_is_as_wide() -> None:
    assert len(set(SIGNS)) == len(SIGNS)
    for sign in SIGNS:
        assert cell_len(sign) == cell_len(to_ascii(sign)) == 1
        assert to_ascii(sign, "utf-8").isascii()


def test_what_tells_states_and_items_apart_still_does() -> None:
    symbols = {label.symbol for label in STATE_LABELS.values()}
    # Stopped and unreadable runs have words beside them; failed ones share theirs with unreadable.
    assert len({to_ascii(symbol) for symbol in symbols}) >= len(symbols) - 1
    patterns = [character for character, _ in PATTERNS.values()]
    assert len(set(map(to_ascii, patterns))) == len(patterns)
    assert to_ascii(BLOCKS) == "__.-=+*#"


def test_a_curve_stays_a_curve() -> None:
    lines = [to_ascii(line) for line in braille_curve(range(32), 16, 4)]
    assert [len(line) for line in lines] == [16] * 4
    assert all(line.isascii() for line in lines)
    # It rises: each line starts further right than the one below.
    starts = [len(line) - len(line.lstrip()) for line in lines]
    assert starts == sorted(starts, reverse=True)
    assert len(set(starts)) == 4


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("Zürich → 漢", "utf-8", "Zürich > 漢"),
        ("Zürich → 漢", "iso-8859-1", "Zürich > ??"),
        ("Zürich → 漢", "ascii", "Z?rich > ??"),
        ("a\u2603b\U0001f600", "utf-8", "a?b??"),
        ("x", "no-such-encoding", "x"),
        ("é", "no-such-encoding", "?"),
    ],
)
def test_letters_stay_where_the_terminal_has_them(text: str, encoding: str, shown: str) -> None:
    assert to_ascii(text, encoding) == shown


def test_names_of_utf_8() -> None:
    assert is_utf8("UTF-8")
    assert is_utf8("utf8")
    assert not is_utf8("ANSI_X3.4-1968")
    assert not is_utf8("ISO-8859-1")
