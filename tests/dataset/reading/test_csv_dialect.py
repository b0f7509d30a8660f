"""CSV files as spreadsheets, databases and scripts write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.dataset.reading.csv_dialect import guess_delimiter, guess_header
from tests.dataset.reading.source_files import opened, refused, texts, write


@pytest.mark.parametrize(
    ("lines", "delimiter"),
    [
        (["id;text\n", '1;"a, b, c"\n', "2;d, e\n"], ";"),
        (["text,n\n", "a;b;c,1\n", "d;e,2\n"], ","),
        (["id|text\n", "1|a, b\n"], "|"),
        (["id\ttext, plain\n", "1\ta, b\n", "2\tc\n"], "\t"),
        (["text\n", "Hello; world\n", "plain\n"], ","),
        (['"first; title","n"\n', '"x; y","1"\n'], ","),
        (["text\n"], ","),
    ],
)
def test_the_delimiter_divides_the_first_rows_evenly(lines: list[str], delimiter: str):
    assert guess_delimiter(lines, None) == delimiter


@pytest.mark.parametrize(
    ("rows", "has_header"),
    [
        ([["id", "text"], ["1", "a"]], True),
        ([["", "text", "label"], ["0", "Some text.", "x"]], True),
        ([["name", "city"], ["Bob", "Paris"]], True),
        ([["Date of publication", "Pages"], ["2020-01-01", "12"]], True),
        ([["What is your name?", "How old are you?"], ["Bob", "30"]], True),
        ([["0", "1"], ["Some text.", "x"], ["Other text.", "y"]], True),
        ([["question", "a long answer to it"], ["q", "a"]], True),
        ([["1", "Hello there."], ["2", "Good bye."]], False),
        ([["-1.5e3", "a"], ["2", "b"]], False),
        ([["The quick brown fox jumps."], ["Pack my box with jugs."]], False),
        ([["The quick brown fox jumps."]], False),
        ([["first document text", "x"], ["second document text", "y"]], False),
        ([["你好，世界。", "甲"], ["再见。", "乙"]], False),
        ([["two\nlines", "a"], ["x", "b"]], False),
        ([["news about the harbour", "report"], ["a story about trees", "report"]], False),
    ],
)
def test_the_first_row_names_the_columns_or_is_a_document(rows: list[list[str]], has_header: bool):
    assert guess_header(rows) is has_header


def test_the_first_row_of_a_file_without_header_is_kept_and_said(tmp_path: Path):
    path = write(tmp_path / "a.csv", '1,"Hello there, all."\n2,Good bye.\n')
    assert texts(path, text_column="column_2") == {
        "a.csv:1": "Hello there, all.",
        "a.csv:2": "Good bye.",
    }
    error = refused(path)
    assert "column_1, column_2" in error.advice
    assert "source.header: not set, and the first row" in error.advice
    path = write(tmp_path / "b.csv", "hello,greeting\nbye,farewell\n")
    assert list(texts(path, header=False, text_column="column_1").values()) == ["hello", "bye"]
    assert list(texts(path, text_column="hello").values()) == ["bye"]
    path = write(tmp_path / "c.csv", "1,2\nfive words are in here,x\n")
    assert texts(path, header=True, text_column="1") == {"c.csv:2": "five words are in here"}
    assert texts(path, text_column="1") == {"c.csv:2": "five words are in here"}


@pytest.mark.parametrize(
    ("content", "settings", "said"),
    [
        ("id^text\n1^a, b\n", {"delimiter": "^"}, "delimiter '^'"),
        ("id\ttext\n1\ta, b\n", {"delimiter": "\\t"}, "delimiter tab"),
        ("id,text\n1,'a, b'\n", {"quotechar": "'"}, "quotes '"),
        ('id\ttext\n1\ta, b\n2\t"open\n', {"quotechar": ""}, "no quotes"),
        ('id,text\r\n1,"a, b"\r\n', {"header": True}, "the first row names the columns"),
        ('id,text\r1,"a, b"\r', {}, "the first row names the columns (guessed)"),
    ],
)
def test_a_dialect_is_guessed_or_set_and_said(
    tmp_path: Path, content: str, settings: dict[str, Any], said: str
):
    path = write(tmp_path / "a.csv", content)
    assert next(iter(texts(path, text_column="text", **settings).values())) == "a, b"
    (line,) = opened(path, text_column="text", **settings).contents
    assert said in line


def test_columns_of_the_same_name_are_refused_by_name(tmp_path: Path):
    error = refused(write(tmp_path / "a.csv", "text,n,text,n\na,1,b,2\n"))
    assert "more than one column is named 'text', 'n'" in str(error)


def test_a_header_that_cannot_be_decoded_is_refused(tmp_path: Path):
    path = write(tmp_path / "a.csv", "größe,text\n1,a\n".encode("latin-1"))
    assert "source.encoding" in refused(path).advice
    assert list(texts(path, encoding="latin-1").values()) == ["a"]
