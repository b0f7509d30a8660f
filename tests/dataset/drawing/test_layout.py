"""Nothing is lost, nothing is clipped: whatever the text, whatever the column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from deepsynth_tui.dataset.drawing.alignment import placed
from deepsynth_tui.dataset.drawing.font_fallback import FontStack
from deepsynth_tui.dataset.drawing.line_breaking import LINE_END, SPACES, clusters, parts
from deepsynth_tui.dataset.drawing.measured_text import Measured, Measurer
from deepsynth_tui.dataset.drawing.pagination import paginate
from deepsynth_tui.dataset.drawing.shape_cache import Shapes
from deepsynth_tui.dataset.drawing.wrapping import TAB_SPACES, ColumnTooNarrow, Line, wrap

SHAPES = Shapes(FontStack("DejaVu Sans", fallback=[]))
MEASURER = Measurer(SHAPES, longest=6.0)

any_text = st.text(st.characters(), max_size=300)
prose = st.text("ab cd éאב ج日本、。「」-\u0301\u200d\t\n\r\u2028\u00a0 ", max_size=300)
long_words = st.text("abé日א", min_size=20, max_size=200)
texts = any_text | prose | long_words
widths = st.floats(2.0, 40.0)


def width_of(text: str) -> float:
    """How wide `text` is on one line."""
    measured = MEASURER.measure(text)
    return measured.right[-1] - measured.left[0]


def wrapped(text: str, width: float) -> tuple[Measured, tuple[Line, ...], int]:
    measured = MEASURER.measure(text)
    try:
        result = wrap(measured, width)
    except ColumnTooNarrow:
        reject()
    return measured, result.lines, result.split_tokens


def drawn(text: str, width: float) -> list[str]:
    """What is on each line, white space left out."""
    measured, lines, _ = wrapped(text, width)
    return ["".join(words(text, measured, line)) for line in lines]


def words(text: str, measured: Measured, line: Line) -> list[str]:
    return [
        text[measured.starts[box] : measured.starts[box] + measured.lengths[box]]
        for segment in line.segments
        for box in range(segment.first, segment.last)
    ]


@given(texts)
def test_boxes_hold_every_character_but_white_space(text: str):
    measured = MEASURER.measure(text)
    held = [
        place
        for start, length in zip(measured.starts, measured.lengths, strict=True)
        for place in range(start, start + int(length))
    ]
    white = {i for i, c in enumerate(text) if c in SPACES + "\t" or LINE_END.fullmatch(c)}
    assert held == [place for place in range(len(text)) if place not in white]


@given(texts.filter(bool))
def test_clusters_and_parts_are_the_whole_word(text: str):
    assert "".join(clusters(text)) == text
    assert "".join(parts(text)) == text


@given(texts, widths)
def test_every_box_is_on_one_line_and_lines_follow_on_one_another(text: str, width: float):
    measured, lines, _ = wrapped(text, width)
    boxes = [b for line in lines for s in line.segments for b in range(s.first, s.last)]
    assert boxes == list(range(len(measured.starts)))
    starts = [line.start for line in lines]
    assert starts == sorted(starts)
    for line, following in zip(lines, [*starts[1:], len(text)][: len(lines)], strict=True):
        for word_start in (measured.starts[s.first] for s in line.segments):
            assert line.start <= word_start < following


@given(texts, widths, st.sampled_from(["start", "end", "center", "justify"]))
def test_no_line_is_wider_than_its_column_whichever_way_it_runs(
    text: str, width: float, align: str
):
    measured, lines, _ = wrapped(text, width)
    for line in lines:
        edge = 0.0
        placed_boxes = []
        for segment in placed(measured, line, width, align):
            assert segment.x >= edge - 1e-6, "words overlap"
            span = measured.right[segment.last - 1] - measured.left[segment.first]
            edge = segment.x + span
            placed_boxes += range(segment.first, segment.last)
        assert edge <= width + 1e-5
        assert sorted(placed_boxes) == [
            box for segment in line.segments for box in range(segment.first, segment.last)
        ]


@given(texts, widths, st.integers(1, 9), st.integers(1, 3))
def test_pages_follow_on_one_another_and_are_the_whole_text(
    text: str, width: float, lines_per_column: int, columns: int
):
    _, lines, _ = wrapped(text, width)
    pages = paginate(lines, len(text), lines_per_column=lines_per_column, columns=columns)
    inked = [line for line in lines if line.segments]
    shown = [line for page in pages for column in page.columns for line in column if line.segments]
    assert shown == inked
    if not inked:
        assert pages == ()
        return
    assert "".join(text[page.start : page.end] for page in pages) == text
    for page in pages:
        assert 1 <= len(page.columns) <= columns
        for column in page.columns:
            assert len(column) <= lines_per_column
            assert any(line.segments for line in column), "a column without ink"


def test_white_space_is_kept_where_it_shows():
    space = width_of("a b") - width_of("a") - width_of("b")
    _, lines, _ = wrapped("  two\n    four\n\nnone", 20)
    found = [line.segments[0].x if line.segments else None for line in lines]
    assert found == [pytest.approx(2 * space), pytest.approx(4 * space), None, 0]


def test_inner_spaces_keep_their_number():
    one, four = width_of("a b"), width_of("a    b")
    assert four - one == pytest.approx(3 * (one - width_of("a") - width_of("b")))


def test_white_space_hangs_at_the_end_of_a_line():
    measured, lines, _ = wrapped("aaaa   bbbb", width_of("aaaa") + 0.1)
    assert [(line.start, line.segments[0].x) for line in lines] == [(0, 0), (7, 0)]
    assert measured.length == 11


def test_tabs_go_to_stops_and_never_vanish():
    space = MEASURER.measure("").space
    _, (line,), _ = wrapped("a\tb\tc" + "d" * TAB_SPACES + "\te", 100)
    stops = [segment.x / TAB_SPACES / space for segment in line.segments]
    assert stops == [0, pytest.approx(1), pytest.approx(2), pytest.approx(round(stops[3]))]
    assert stops[3] >= 3


def test_deep_indentation_gives_way_to_the_word():
    _, (line,), _ = wrapped(" " * 60 + "word", 10)
    assert line.segments[0].x == pytest.approx(10 - width_of("word"))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_every_kind_of_line_end_ends_a_line(end: str):
    assert drawn(f"a{end}b", 9) == ["a", "b"]


def test_a_long_word_is_split_counted_and_followed_by_the_next():
    text = "ab " + "x" * 32 + " cd"
    width = width_of("x" * 14) + 0.01
    assert drawn(text, width) == ["ab", "x" * 14, "x" * 14, "xxxxcd"]
    assert wrapped(text, width)[2] == 1
    assert wrapped("ab cd", width)[2] == 0


def test_a_phrase_without_spaces_fills_lines_and_is_no_split_word():
    phrase = "กิ" * 60
    lines = drawn(f"ab {phrase}", width_of("ab กิกิ") + 0.01)
    assert lines[:2] == ["abกิกิ", "กิ" * (len(lines[1]) // 2)]
    assert "".join(lines) == f"ab{phrase}"
    assert wrapped(phrase, width_of("กิ" * 7))[2] == 0


def test_a_split_never_parts_a_letter_from_its_accent():
    for line in drawn("e\u0301" * 60, 5):
        assert line.startswith("e")
        assert line.endswith("\u0301")


def test_a_split_leaves_arabic_letters_joined():
    beh = "\u0628"
    measured = MEASURER.measure(beh * 60)
    assert len(measured.starts) == 60, "cut into what a line may break"
    forms = [glyphs([number]) for number in measured.shapes.tolist()]
    alone = glyphs([SHAPES.shape(beh, leftward=True)])
    first, middle, last = forms[0], forms[30], forms[-1]
    assert len({tuple(form) for form in (first, middle, last, alone)}) == 4


def glyphs(numbers: Sequence[int]) -> list[int]:
    zeros = np.zeros(len(numbers))
    return SHAPES.gather(np.array(numbers), zeros, zeros, 1).glyphs.tolist()


def test_chinese_and_japanese_break_between_characters_but_not_before_closing_marks():
    one = width_of("日")
    assert drawn("日本語漢字", 2.5 * one) == ["日本", "語漢", "字"]
    assert drawn("日本「語」", 3.2 * one) == ["日本", "「語」"]
    assert drawn("日本、", 2.5 * one) == ["日", "本、"]
    assert wrapped("日本語漢字", 2.5 * one)[2] == 0


def test_hyphenated_words_break_after_the_hyphen_and_options_do_not():
    text = "well-known --option -5"
    assert drawn(text, width_of("--option") + 0.01) == ["well-", "known", "--option", "-5"]


def test_no_break_spaces_do_not_break():
    text = "10\u00a0km on"
    assert drawn(text, width_of("10\u00a0km")) == ["10\u00a0km", "on"]


def test_a_character_wider_than_the_column_is_refused():
    with pytest.raises(ColumnTooNarrow) as error:
        wrap(MEASURER.measure("iW"), width_of("i"))
    assert error.value.place == 0
    with pytest.raises(ColumnTooNarrow) as error:
        wrap(MEASURER.measure("i W"), width_of("i") + 0.01)
    assert error.value.place == 2


def test_right_to_left_paragraphs_start_at_the_right_edge_and_run_leftward():
    measured, (line,), _ = wrapped("אבג דה abc", 20)
    found = {box.first: box.x for box in placed(measured, line, 20, "start")}
    assert found[0] > found[1] > found[2]
    assert found[0] + width_of("אבג") == pytest.approx(20)
    (flush,) = (min(b.x for b in placed(measured, line, 20, "end")),)
    assert flush == pytest.approx(0)


def test_justified_lines_reach_both_edges_but_the_last():
    measured, lines, _ = wrapped("aa bb cc dd ee ff gg", 5)
    first, *_, last = lines
    boxes = list(placed(measured, first, 5, "justify"))
    assert boxes[0].x == 0
    end = boxes[-1]
    assert end.x + measured.right[end.last - 1] - measured.left[end.first] == pytest.approx(5)
    assert list(placed(measured, last, 5, "justify")) == list(placed(measured, last, 5, "start"))


def test_blank_lines_hang_below_a_full_column():
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
