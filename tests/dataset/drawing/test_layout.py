"""Nothing is lost, nothing is clipped: whatever the text, whatever the column."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from deepsynth_tui.dataset.drawing.layout import (
    TAB_SPACES,
    ColumnTooNarrow,
    Line,
    Wrapped,
    measured,
    paginate,
    wrap,
)
from deepsynth_tui.dataset.drawing.segmenting import Kind, clusters, tokens

WIDE = "日本語漢字あ"
WIDTHLESS = ("Mn", "Mc", "Me", "Cf")

any_text = st.text(st.characters(), max_size=300)
prose = st.text("ab cd é日本、。「」-\u0301\u200d\t\n\r\u2028\u00a0 ", max_size=300)
texts = any_text | prose
widths = st.floats(2.0, 40.0)


def width_of(text: str) -> float:
    """A made-up font: ideographs are 2 wide, marks and joiners 0, everything else 1."""
    return float(sum(2 if c in WIDE else unicodedata.category(c) not in WIDTHLESS for c in text))


def wrapped(text: str, width: float) -> Wrapped:
    try:
        return wrap(measured(text, width_of), width)
    except ColumnTooNarrow as error:
        # Characters that a joiner makes one: refused only where they really do not fit.
        if width_of(error.character) <= width:
            raise
        reject()


def drawn(text: str, lines: tuple[Line, ...]) -> list[str]:
    return ["".join(text[span.start : span.end] for span in line.spans) for line in lines]


@given(texts)
def test_tokens_are_the_whole_text(text: str):
    assert "".join(text[token.start : token.end] for token in tokens(text)) == text


@given(texts)
def test_clusters_are_the_whole_text(text: str):
    assert "".join(text[a:b] for a, b in clusters(text, 0, len(text))) == text


@given(texts, widths)
def test_lines_follow_on_one_another_and_are_the_whole_text(text: str, width: float):
    lines = wrapped(text, width).lines
    assert "".join(text[line.start : line.end] for line in lines) == text


@given(texts, widths)
def test_every_character_of_every_word_is_drawn_once(text: str, width: float):
    drawn_at = [
        position
        for line in wrapped(text, width).lines
        for span in line.spans
        for position in range(span.start, span.end)
    ]
    words = [
        position
        for token in tokens(text)
        if token.kind is Kind.WORD
        for position in range(token.start, token.end)
    ]
    assert drawn_at == words


@given(prose, widths)
def test_no_line_is_wider_than_its_column(text: str, width: float):
    for line in wrapped(text, width).lines:
        edge = 0.0
        for span in line.spans:
            assert span.x >= edge - 1e-6, "words overlap"
            edge = span.x + width_of(text[span.start : span.end])
        assert edge <= width + 1e-6


@given(texts, widths, st.integers(1, 9), st.integers(1, 3))
def test_pages_follow_on_one_another_and_are_the_whole_text(
    text: str, width: float, lines_per_column: int, columns: int
):
    lines = wrapped(text, width).lines
    pages = paginate(lines, lines_per_column=lines_per_column, columns=columns)
    inked = [line for line in lines if line.spans]
    assert [
        line
        for page in pages
        for column in page.columns
        for line in column.lines
        if line.spans
    ] == inked  # fmt: skip
    if not inked:
        assert pages == ()
        return
    assert "".join(text[page.start : page.end] for page in pages) == text
    for page in pages:
        assert 1 <= len(page.columns) <= columns
        assert page.start == page.columns[0].start
        assert page.end == page.columns[-1].end
        for column in page.columns:
            assert len(column.lines) <= lines_per_column
            assert any(line.spans for line in column.lines), "a column without ink"


def test_words_are_broken_by_width_not_by_number():
    assert drawn("ii日日 ii", wrapped("ii日日 ii", 6).lines) == ["ii日日", "ii"]
    assert drawn("iiii ii", wrapped("iiii ii", 7).lines) == ["iiiiii"]


def test_white_space_is_kept_where_it_shows():
    text = "  two\n    four\n\nnone"
    lines = wrapped(text, 20).lines
    assert [line.spans[0].x if line.spans else None for line in lines] == [2, 4, None, 0]


def test_inner_spaces_keep_their_number():
    spans = wrapped("a    b", 20).lines[0].spans
    assert [span.x for span in spans] == [0, 5]


def test_white_space_hangs_at_the_end_of_a_line():
    lines = wrapped("aaaa   bbbb", 5).lines
    assert [(line.start, line.end, line.spans[0].x) for line in lines] == [(0, 7, 0), (7, 11, 0)]


def test_tabs_go_to_stops_and_never_vanish():
    spans = wrapped("a\tb\tc" + "d" * (TAB_SPACES - 1) + "\te", 100).lines[0].spans
    assert [span.x / TAB_SPACES for span in spans] == [0, 1, 2, 4]


def test_deep_indentation_gives_way_to_the_word():
    (line,) = wrapped(" " * 30 + "word", 10).lines
    assert line.spans[0].x == 6


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_every_kind_of_line_end_ends_a_line(end: str):
    text = f"a{end}b"
    assert drawn(text, wrapped(text, 9).lines) == ["a", "b"]


def test_a_long_word_is_split_and_counted():
    result = wrapped("ab " + "x" * 12 + " cd", 5)
    assert drawn("ab " + "x" * 12 + " cd", result.lines) == ["ab", "xxxxx", "xxxxx", "xxcd"]
    assert result.split_tokens == 1


def test_a_split_never_parts_a_letter_from_its_accent():
    text = "e\u0301" * 6
    assert drawn(text, wrapped(text, 4).lines) == ["e\u0301" * 4, "e\u0301" * 2]


def test_chinese_and_japanese_break_between_characters_but_not_before_closing_marks():
    assert drawn("日本語漢字", wrapped("日本語漢字", 5).lines) == ["日本", "語漢", "字"]
    assert drawn("日本「語」", wrapped("日本「語」", 5).lines) == ["日本", "「語」"]
    assert drawn("日本、", wrapped("日本、", 4).lines) == ["日", "本、"]
    assert wrapped("日本語漢字", 5).split_tokens == 0


def test_hyphenated_words_break_after_the_hyphen_and_options_do_not():
    text = "well-known --option -5"
    assert drawn(text, wrapped(text, 8).lines) == ["well-", "known", "--option", "-5"]


def test_no_break_spaces_do_not_break():
    text = "10\u00a0km on"
    assert drawn(text, wrapped(text, 6).lines) == ["10\u00a0km", "on"]


def test_a_character_wider_than_the_column_is_refused():
    with pytest.raises(ColumnTooNarrow, match="日"):
        wrap(measured("a日", width_of), 1.5)


def test_blank_lines_hang_below_a_full_column():
    text = "a\nb\n\n\n\nc"
    pages = paginate(wrapped(text, 9).lines, lines_per_column=2, columns=1)
    assert [text[page.start : page.end] for page in pages] == ["a\nb\n\n\n\n", "c"]
    assert [len(page.columns[0].lines) for page in pages] == [2, 1]


def test_columns_fill_from_the_left():
    text = "a\nb\nc\nd\ne"
    first, second = paginate(wrapped(text, 9).lines, lines_per_column=2, columns=2)
    assert [text[c.start : c.end] for c in first.columns] == ["a\nb\n", "c\nd\n"]
    assert [text[c.start : c.end] for c in second.columns] == ["e"]
