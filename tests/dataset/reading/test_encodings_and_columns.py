"""Encodings, compressed files, nested columns and repeated names."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepsynth_tui.config.source import SourceSettings
from deepsynth_tui.dataset.reading.choose_instruction import InstructionColumns
from deepsynth_tui.dataset.reading.column_paths import value_at
from deepsynth_tui.dataset.reading.sources import open_source
from tests.dataset.reading.source_files import documents, refused, texts, write
from tests.dataset.reading.test_sources import bad_rows


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16-le", "utf-16", "utf-8"])
def test_the_encoding_of_text_files_can_be_set(tmp_path: Path, encoding: str):
    for name, content in {
        "a.txt": "größe",
        "a.html": "<p>größe</p>",
        "a.csv": "id,text\n1,größe\n",
        "a.jsonl": '{"text": "größe"}\n',
        "a.json": '[{"text": "größe"}]',
    }.items():
        path = write(tmp_path / name, content.encode(encoding))
        assert list(texts(path, encoding=encoding).values()) == ["größe"], name


def test_a_declared_encoding_of_html_is_used_before_the_setting(tmp_path: Path):
    path = write(tmp_path / "a.html", "<meta charset=koi8-r><p>Жук</p>".encode("koi8-r"))
    assert texts(path, encoding="latin-1") == {"a.html": "Жук"}


def test_a_file_that_is_not_in_the_encoding_that_is_set(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", '{"text": "größe"}\n'.encode("utf-16"))
    assert "text that is not UTF-16-LE" in str(
        refused(write(path, path.read_bytes()[:-1]), encoding="utf-16-le")
    )
    lines = write(tmp_path / "b.jsonl", b'{"text": "\x81"}\n{"text": "a"}\n')
    assert bad_rows(lines, encoding="cp1252") == {
        "b.jsonl:1": "text that is not CP1252: byte 0x81 after 10 characters"
    }


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [(".gz", gzip.compress), (".zst", zstd), (".bz2", bz2.compress), (".xz", lzma.compress)],
)
def test_compressed_files(tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]):
    rows = b"".join(b'{"text": "row %d"}\n' % number for number in range(3000))
    path = write(tmp_path / f"a.jsonl{suffix}", compress(rows[:1001]) + compress(rows[1001:]))
    assert len(texts(path)) == 3000
    for name, content in {
        "a.csv": "id,text\n1,é\n",
        "a.json": '[{"text": "é"}]',
        "docs/a.txt": "é",
        "docs/b.html": "<p>é</p>",
    }.items():
        path = write(tmp_path / f"{name}{suffix}", compress(content.encode()))
        assert list(texts(path).values()) == ["é"]
    write(tmp_path / "docs" / f"c.md{suffix}", compress(b"x" * 100)[:-5])
    assert texts(tmp_path / "docs")[f"c.md{suffix}"].startswith(f"a damaged {suffix} file")
    cut = write(tmp_path / f"cut.jsonl{suffix}", compress(rows)[:-20])
    assert f"a damaged {suffix} file" in str(refused(cut))
    fake = write(tmp_path / f"fake.csv{suffix}", b"text\na\n")
    assert f"a damaged {suffix} file" in str(refused(fake))


NESTED = [
    {"id": "1", "doc": {"text": "a"}, "meta": {"lang": "fr", "year": 1999}, "answers": ["x", "y"]},
    {"id": "2", "doc": {"text": "b"}, "meta": {"lang": "de", "year": None}, "answers": ["z"]},
]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_nested_values_are_named_by_their_path(tmp_path: Path, suffix: str):
    path = tmp_path / f"a{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(NESTED), path)
    else:
        write(path, "".join(json.dumps(row) + "\n" for row in NESTED))
    settings = SourceSettings(path=str(path), text_column="doc.text", target_column="answers.0")
    named = InstructionColumns(("meta.lang", "meta.year"), "instruction")
    read = list(open_source(settings, named).documents())
    assert [(d.text, d.target, d.columns) for d in read] == [
        ("a", "x", {"meta.lang": "fr", "meta.year": "1999"}),
        ("b", "z", {"meta.lang": "de", "meta.year": ""}),
    ]
    assert open_source(SourceSettings(path=str(path))).text_column == "doc.text"
    assert next(iter(texts(path, target_column="answers.1"))) == "1"
    assert documents(path, target_column="answers.1")[1].unreadable is not None
    assert "Did you mean doc.text?" in refused(path, text_column="doc.txt").advice
    error = refused(path, text_column="doc")
    assert ("not text" in error.message, error.advice) == (True, "Choose doc.text.")
    assert refused(path, target_column="doc.text.more").key == "source.target_column"


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_column_whose_name_is_the_path_comes_first(tmp_path: Path, suffix: str):
    rows = [{"doc.text": "literal", "doc": {"text": "nested"}}]
    path = tmp_path / f"a{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        write(path, json.dumps(rows[0]) + "\n")
    assert list(texts(path, text_column="doc.text").values()) == ["literal"]


def test_paths():
    values = {"a": {"b.c": {"d": 1}, "e": [{"f": 2}, 3]}, "a.b": 4}
    assert value_at(values, "a.b.c.d") == 1
    assert value_at(values, "a.b") == 4
    assert value_at(values, "a.e.0.f") == 2
    assert value_at(values, "a.e.1") == 3
    for path in ("a.e.2", "a.e.-1", "a.x", "x.y", "a.e.0.f.g"):
        assert value_at(values, path) is None


def test_json_objects_with_a_key_twice_are_unreadable_rows(tmp_path: Path):
    twice = "a JSON object with the same key twice: 'text'"
    lines = write(tmp_path / "a.jsonl", '{"text": "a", "text": "b"}\n{"text": "c"}\n')
    assert bad_rows(lines) == {"a.jsonl:1": twice}
    array = write(tmp_path / "a.json", '[{"text": "a", "text": "b"},\n{"text": "c"}]')
    assert bad_rows(array) == {"a.json:1": twice}
    assert [document.text for document in documents(array)] == ["", "c"]
    nested = write(tmp_path / "b.jsonl", '{"text": "c"}\n{"text": "a", "m": {"x": 1, "x": 2}}\n')
    assert bad_rows(nested) == {"b.jsonl:2": twice.replace("text", "x")}


def test_parquet_columns_of_the_same_name_are_refused_by_name(tmp_path: Path):
    columns = [pa.array(["a"]), pa.array(["b"]), pa.array([1])]
    pq.write_table(
        pa.Table.from_arrays(columns, names=["text", "text", "n"]), tmp_path / "a.parquet"
    )
    assert "more than one column is named 'text'" in str(refused(tmp_path / "a.parquet"))


def test_a_json_file_of_one_object(tmp_path: Path):
    one = write(tmp_path / "one.json", json.dumps({"text": "a", "n": 1}, indent=2))
    assert texts(one) == {"one.json:1": "a"}
    for indent in (None, 2):
        wrapped = {"version": "1", "data": [{"text": "a"}]}
        path = write(tmp_path / "wrapped.json", json.dumps(wrapped, indent=indent))
        error = refused(path)
        assert "keys version, data; rows may be in data" in error.message
        assert "jq -c '.data[]' wrapped.json" in error.advice
        assert texts(path, text_column="data.0.text") == {"wrapped.json:1": "a"}
