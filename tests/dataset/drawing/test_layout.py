"""Measuring, wrapping, alignment and pagination: no text is lost or clipped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from deepsynth_tui.dataset.drawing.alignment import align_line
from deepsynth_tui.dataset.drawing.font_fallback import FontStack
from deepsynth_tui.dataset.drawing.line_breaking import (
    LINE_END,
    SPACES,
    grapheme_clusters,
    unbreakable_parts,
)
from deepsynth_tui.dataset.drawing.measured_text import MeasuredText, TextMeasurer
from deepsynth_tui.dataset.drawing.pagination import paginate
from deepsynth_tui.dataset.drawing.shape_cache import ShapeCache
from deepsynth_tui.dataset.drawing.wrapping import TAB_SPACES, ColumnTooNarrow, Line, wrap

SHAPES = ShapeCache(FontStack("DejaVu Sans", fallback=[]))
MEASURER = TextMeasurer(SHAPES, max_word_width=6.0)

any_text = st.text(st.characters(), max_size=300)
prose = st.text("ab cd éאב ج日本、。「」-\u0301\u200d\t\n\r\u2028\u00a0 ", max_size=300)
long_words = st.text("abé日א", min_size=20, max_size=200)
texts = any_text | prose | long_words
widths = st.floats(2.0, 40.0)


def width_of(text: str) -> float:
    """Return the width of `text` on one line."""
    measured = MEASURER.measure(text)
    return measured.right[-1] - measured.left[0]


def wrapped(text: str, width: float) -> tuple[MeasuredText, tuple[Line, ...], int]:
    measured = MEASURER.measure(text)
    try:
        result = wrap(measured, width)
    except ColumnTooNarrow:
        reject()
    return measured, result.lines, result.split_tokens


def drawn(text: str, width: float) -> list[str]:
    """Return the text of each line without white space."""
    measured, lines, _ = wrapped(text, width)
    return ["".join(words(text, measured, line)) for line in lines]


def words(text: str, measured: MeasuredText, line: Line) -> list[str]:
    return [
        text[measured.starts[box] : measured.starts[box] + measured.lengths[box]]
        for run in line.runs
        for box in range(run.first, run.last)
    ]


@given(texts)
def test_boxes_hold_all_characters_except_white_space(text: str):
    measured = MEASURER.measure(text)
    in_boxes = [
        place
        for start, length in zip(measured.starts, measured.lengths, strict=True)
        for place in range(start, start + int(length))
    ]
    white = {i for i, c in enumerate(text) if c in SPACES + "\t" or LINE_END.fullmatch(c)}
    assert in_boxes == [place for place in range(len(text)) if place not in white]


@given(texts.filter(bool))
def test_clusters_and_parts_join_to_the_whole_word(text: str):
    assert "".join(grapheme_clusters(text)) == text
    assert "".join(unbreakable_parts(text)) == text


@given(texts, widths)
def test_every_box_is_on_exactly_one_line_and_lines_are_contiguous(text: str, width: float):
    measured, lines, _ = wrapped(text, width)
    boxes = [b for line in lines for run in line.runs for b in range(run.first, run.last)]
    assert boxes == list(range(len(measured.starts)))
    starts = [line.start for line in lines]
    assert starts == sorted(starts)
    for line, following in zip(lines, [*starts[1:], len(text)][: len(lines)], strict=True):
        for word_start in (measured.starts[run.first] for run in line.runs):
            assert line.start <= word_start < following


@given(texts, widths, st.sampled_from(["start", "end", "center", "justify"]))
def test_no_line_is_wider_than_its_column_in_any_alignment(text: str, width: float, align: str):
    measured, lines, _ = wrapped(text, width)
    for line in lines:
        edge = 0.0
        placed_boxes = []
        for run in align_line(measured, line, width, align):
            assert run.x >= edge - 1e-6, "words overlap"
            span = measured.right[run.last - 1] - measured.left[run.first]
            edge = run.x + span
            placed_boxes += range(run.first, run.last)
        assert edge <= width + 1e-5
        assert sorted(placed_boxes) == [
            box for run in line.runs for box in range(run.first, run.last)
        ]


@given(texts, widths, st.integers(1, 9), st.integers(1, 3))
def test_pages_are_contiguous_and_hold_the_whole_text(
    text: str, width: float, lines_per_column: int, columns: int
):
    _, lines, _ = wrapped(text, width)
    pages = paginate(lines, len(text), lines_per_column=lines_per_column, columns=columns)
    inked = [line for line in lines if line.runs]
    shown = [line for page in pages for column in page.columns for line in column if line.runs]
    assert shown == inked
    if not inked:
        assert pages == ()
        return
    assert "".join(text[page.start : page.end] for page in pages) == text
    for page in pages:
        assert 1 <= len(page.columns) <= columns
        for column in page.columns:
            assert len(column) <= lines_per_column
            assert any(line.runs for line in column), "a column without ink"


def test_indentation_is_kept():
    space = width_of("a b") - width_of("a") - width_of("b")
    _, lines, _ = wrapped("  two\n    four\n\nnone", 20)
    indents = [line.runs[0].x if line.runs else None for line in lines]
    assert indents == [pytest.approx(2 * space), pytest.approx(4 * space), None, 0]


def test_inner_spaces_keep_their_number():
    one_space, four_spaces = width_of("a b"), width_of("a    b")
    assert four_spaces - one_space == pytest.approx(3 * (one_space - width_of("a") - width_of("b")))


def test_trailing_white_space_hangs_over_the_edge():
    measured, lines, _ = wrapped("aaaa   bbbb", width_of("aaaa") + 0.1)
    assert [(line.start, line.runs[0].x) for line in lines] == [(0, 0), (7, 0)]
    assert measured.length == 11


def test_tabs_advance_to_the_next_stop():
    space = MEASURER.measure("").space_width
    _, (line,), _ = wrapped("a\tb\tc" + "d" * TAB_SPACES + "\te", 100)
    stops = [run.x / TAB_SPACES / space for run in line.runs]
    assert stops == [0, pytest.approx(1), pytest.approx(2), pytest.approx(round(stops[3]))]
    assert stops[3] >= 3


def test_deep_indentation_is_reduced_to_fit_a_word():
    _, (line,), _ = wrapped(" " * 60 + "word", 10)
    assert line.runs[0].x == pytest.approx(10 - width_of("word"))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_every_kind_of_line_end_ends_a_line(end: str):
    assert drawn(f"a{end}b", 9) == ["a", "b"]


def test_a_long_word_is_split_and_counted():
    text = "ab " + "x" * 32 + " cd"
    width = width_of("x" * 14) + 0.01
    assert drawn(text, width) == ["ab", "x" * 14, "x" * 14, "xxxxcd"]
    assert wrapped(text, width)[2] == 1
    assert wrapped("ab cd", width)[2] == 0


def test_a_phrase_in_a_script_without_spaces_is_not_a_split_word():
    phrase = "กิ" * 60
    lines = drawn(f"ab {phrase}", width_of("ab กิกิ") + 0.01)
    assert lines[:2] == ["abกิกิ", "กิ" * (len(lines[1]) // 2)]
    assert "".join(lines) == f"ab{phrase}"
    assert wrapped(phrase, width_of("กิ" * 7))[2] == 0


def test_a_split_never_separates_a_letter_from_its_accent():
    for line in drawn("e\u0301" * 60, 5):
        assert line.startswith("e")
        assert line.endswith("\u0301")


def test_a_split_leaves_arabic_letters_joined():
    beh = "\u0628"
    measured = MEASURER.measure(beh * 60)
    assert len(measured.starts) == 60, "one box per letter"
    forms = [glyphs([number]) for number in measured.shapes.tolist()]
    alone = glyphs([SHAPES.add_shape(beh, rtl=True)])
    first, middle, last = forms[0], forms[30], forms[-1]
    assert len({tuple(form) for form in (first, middle, last, alone)}) == 4


def glyphs(numbers: Sequence[int]) -> list[int]:
    zeros = np.zeros(len(numbers))
    return SHAPES.position_glyphs(np.array(numbers), zeros, zeros, 1).glyphs.tolist()


def test_chinese_and_japanese_break_between_characters_but_not_before_closing_marks():
    character = width_of("日")
    assert drawn("日本語漢字", 2.5 * character) == ["日本", "語漢", "字"]
    assert drawn("日本「語」", 3.2 * character) == ["日本", "「語」"]
    assert drawn("日本、", 2.5 * character) == ["日", "本、"]
    assert wrapped("日本語漢字", 2.5 * character)[2] == 0


def test_hyphenated_words_break_after_the_hyphen_and_options_do_not():
    text = "well-known --option -5"
    assert drawn(text, width_of("--option") + 0.01) == ["well-", "known", "--option", "-5"]


def test_no_break_spaces_do_not_break():
    text = "10\u00a0km on"
    assert drawn(text, width_of("10\u00a0km")) == ["10\u00a0km", "on"]


def test_a_character_wider_than_the_column_raises():
    with pytest.raises(ColumnTooNarrow) as error:
        wrap(MEASURER.measure("iW"), width_of("i"))
    assert error.value.position == 0
    with pytest.raises(ColumnTooNarrow) as error:
        wrap(MEASURER.measure("i W"), width_of("i") + 0.01)
    assert error.value.position == 2


def test_rtl_paragraphs_start_at_the_right_edge():
    measured, (line,), _ = wrapped("אבג דה abc", 20)
    x = {box.first: box.x for box in align_line(measured, line, 20, "start")}
    assert x[0] > x[1] > x[2]
    assert x[0] + width_of("אבג") == pytest.approx(20)
    (flush,) = (min(b.x for b in align_line(measured, line, 20, "end")),)
    assert flush == pytest.approx(0)


def test_justified_lines_reach_both_edges_except_the_last():
    measured, lines, _ = wrapped("aa bb cc dd ee ff gg", 5)
    first, *_, last = lines
    boxes = list(align_line(measured, first, 5, "justify"))
    assert boxes[0].x == 0
    end = boxes[-1]
    assert end.x + measured.right[end.last - 1] - measured.left[end.first] == pytest.approx(5)
    assert list(align_line(measured, last, 5, "justify")) == list(
        align_line(measured, last, 5, "start")
    )


def test_blank_lines_after_a_full_column_are_dropped():
    text = "a\nb\n\n\n\nc"
    pages = paginate(wrapped(text, 9)[1], len(text), lines_per_column=2, columns=1)
    assert [text[page.start : page.end] for page in pages] == ["a\nb\n\n\n\n", "c"]
    assert [len(page.columns[0]) for page in pages] == [2, 1]


def test_columns_fill_from_the_left():
    text = "a\nb\nc\nd\ne"
    pages = paginate(wrapped(text, 9)[1], len(text), lines_per_column=2, columns=2)
    assert [[[line.start for line in c] for c in page.columns] for page in pages] == [
        [[0, 2], [4, 6]],
        [[8]],
    ]
