"""Whatever a source holds: its rows are read, or refused with the reason."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from deepsynth_tui.config.source import SourceSettings
from deepsynth_tui.dataset.errors import SourceError, UnreadableDocument
from deepsynth_tui.dataset.reading.csv_reader import CsvReader
from deepsynth_tui.dataset.reading.document_process import DocumentProcess
from tests.dataset.reading.small_pdf import pdf

EXAMPLES = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
CHARACTERS = st.text(alphabet="ab,;\t|\"'\r\n \\\x00\ufeff\u2028é", max_size=40)
CELLS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
PDF = pdf([["Hello", "world"], ["Second page"]])


def rows_of(path: Path, **options: object) -> list[dict[str, str]]:
    reader = CsvReader(path, SourceSettings.model_validate({"path": str(path), **options}))
    rows = list(reader.rows(reader.columns))
    lines = [int(row.location.rpartition(":")[2]) for row in rows]
    assert lines == sorted(lines)
    return [dict(row.values) for row in rows if row.unreadable is None]


@EXAMPLES
@given(CHARACTERS.map(str.encode) | st.binary(max_size=40))
@example(b'a,b\n"')
@example(b"\xef\xbb\xbf\n\n,\n")
@example(b"\x00")
def test_any_csv(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with contextlib.suppress(SourceError):
        rows_of(path)


@EXAMPLES
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5), st.sampled_from(",;\t|"))
def test_what_csv_writes_is_read_back(
    tmp_path: Path, table: list[tuple[str, str]], delimiter: str
) -> None:
    assume(not any("\0" in cell for row in table for cell in row))  # Python 3.11 refuses NUL
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows([("x", "y"), *table])
    path = tmp_path / "a.csv"
    path.write_bytes(text.getvalue().encode())
    rows = rows_of(path, delimiter=delimiter, header=True)
    assert [(row["x"], row["y"]) for row in rows] == table


@pytest.fixture(scope="module")
def process() -> Iterator[DocumentProcess]:
    with DocumentProcess(max_seconds=10, max_memory=1) as process:
        yield process


@st.composite
def damaged_pdf(draw: st.DrawFn) -> bytes:
    data = PDF
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 30)))
        data = data[:start] + draw(st.binary(max_size=9) | st.sampled_from(WORDS)) + data[end:]
    return data


WORDS = (b"99999999999", b"-1", b"4 0 R", b"/FlateDecode", b"<<", b">>", b"endstream", b"\xff" * 9)


@EXAMPLES
@given(damaged_pdf())
@example(b"%PDF-1.4")
@example(PDF.replace(b"/Count 2", b"/Count 2147483647"))
@example(PDF.replace(b"/Kids [4 0 R", b"/Kids [2 0 R"))
def test_any_pdf(tmp_path: Path, process: DocumentProcess, content: bytes) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(content)
    with contextlib.suppress(UnreadableDocument):
        assert isinstance(process.extract_text(path, None), str)
