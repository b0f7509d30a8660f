"""Sources of every kind, and their errors."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepsynth_tui.config.source import SourceSettings
from deepsynth_tui.dataset.errors import ColumnError, DatasetError, SourceError
from deepsynth_tui.dataset.reading.hub_reader import HubReader
from deepsynth_tui.dataset.reading.open_reader import is_on_hub
from deepsynth_tui.dataset.reading.sources import Document, InstructionColumns, open_source


def read(path: Path | str, **settings: Any) -> list[Document]:
    source = open_source(SourceSettings(path=str(path), **settings))
    documents = list(source.documents())
    assert source.count() == len(documents)
    return documents


def refused(path: Path | str, **settings: Any) -> DatasetError:
    with pytest.raises(DatasetError) as caught:
        read(path, **settings)
    assert caught.value.advice
    assert caught.value.key.startswith("source.")
    return caught.value


def bad_rows(path: Path | str, **settings: Any) -> dict[str, str]:
    """Return what is unreadable, by id; with `bad_rows: stop` the first of them is an error."""
    documents = read(path, **settings)
    bad = {d.source_id: str(d.unreadable) for d in documents if d.unreadable is not None}
    source = open_source(SourceSettings(path=str(path), **settings), bad_rows="stop")
    with pytest.raises(SourceError, match="bad_rows is stop") as caught:
        source.count() if source.bytes_to_count else list(source.documents())
    assert caught.value.key == "flaws.bad_rows"
    assert next(iter(bad.values())) in str(caught.value)
    return bad


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_csv_with_quotes_line_ends_and_a_byte_order_mark(tmp_path: Path):
    path = write(
        tmp_path / "a.csv",
        b"\xef\xbb\xbf" + 'id,text,summary\r\n7,"one, ""two""\nthree",x\r\n\r\n8,é,y\r\n'.encode(),
    )
    assert read(path, target_column="summary") == [
        Document("7", 'one, "two"\nthree', "x"),
        Document("8", "é", "y"),
    ]


@pytest.mark.parametrize(("name", "delimiter"), [("a.tsv", "\t"), ("a.csv", ";"), ("b.csv", ",")])
def test_delimiters_are_found(tmp_path: Path, name: str, delimiter: str):
    path = write(tmp_path / name, f"content{delimiter}n\nhello{delimiter}1\n")
    assert read(path) == [Document(f"{name}:2", "hello", None)]


def test_csv_fields_may_be_as_long_as_documents_are(tmp_path: Path):
    path = write(tmp_path / "long.csv", "text\n" + "x" * 300_000 + "\n")
    assert len(read(path)[0].text) == 300_000


def test_csv_rows_of_the_wrong_length_name_their_line(tmp_path: Path):
    path = write(tmp_path / "a.csv", 'text,n\n"two\nlines",1\nb,2,3\nc,4\n')
    assert bad_rows(path) == {
        "a.csv:4": "a CSV row with another number of fields: 3 fields where the header has 2"
    }
    assert [document.text for document in read(path)] == ["two\nlines", "", "c"]


def test_an_open_quote_names_its_line(tmp_path: Path):
    path = write(tmp_path / "a.csv", 'text,n\na,1\n"b,2\nc,3\n')
    assert bad_rows(path) == {"a.csv:3": "malformed CSV: unexpected end of data"}


def test_reading_continues_in_the_line_after_an_open_quote(tmp_path: Path):
    rows = "".join(f"row {number},{number}\n" for number in range(4, 100))
    path = write(tmp_path / "a.csv", f'text,n\na,1\n"b,2\nc,3\n{rows}"d ""e""",100\n')
    assert list(bad_rows(path)) == ["a.csv:3"]
    documents = read(path)
    assert (len(documents), documents[-1]) == (100, Document("a.csv:101", 'd "e"', None))


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.parquet"])
def test_empty_files_are_refused(tmp_path: Path, name: str):
    assert name in str(refused(write(tmp_path / name, "")))


def test_json_lines_and_a_json_array_read_alike(tmp_path: Path):
    rows = [{"id": 1, "text": "a\nb", "x": [1]}, {"id": 2, "text": "é", "x": None}]
    lines = write(tmp_path / "a.jsonl", "\n".join(json.dumps(row) for row in rows) + "\n\n")
    array = write(tmp_path / "a.json", json.dumps(rows, indent=2))
    assert read(lines) == read(array) == [Document("1", "a\nb", None), Document("2", "é", None)]


def test_rows_without_an_id_are_named_by_their_line(tmp_path: Path):
    lines = write(tmp_path / "a.jsonl", '{"text": "a"}\n\n{"text": "b"}\n')
    assert [document.source_id for document in read(lines)] == ["a.jsonl:1", "a.jsonl:3"]
    array = write(tmp_path / "a.json", '[\n{"text":\n"a"},\n\n{"text": "b"}]')
    assert [document.source_id for document in read(array)] == ["a.json:2", "a.json:5"]


def test_invalid_json_names_file_and_line(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", '{"text": "a"}\n' * 200 + '{"text": b}\n{"text": "c"}')
    assert bad_rows(path) == {"a.jsonl:201": "invalid JSON: Expecting value (column 10)"}
    assert read(path)[-1].text == "c"
    path = write(tmp_path / "digits.jsonl", '{"text": "a"}\n{"text": ' + "1" * 5000 + "}\n")
    assert "4300 digits" in bad_rows(path)["digits.jsonl:2"]
    path = write(tmp_path / "list.jsonl", '{"text": "a"}\n["b"]\n')
    assert bad_rows(path) == {"list.jsonl:2": 'no JSON object: ["b"]'}
    path = write(tmp_path / "cut.json", '[{"text": "a"},\n{"text": "b')
    assert "cut.json, line 2" in str(refused(path))


def test_undecodable_text_names_file_and_byte(tmp_path: Path):
    good = '{"text": "é"}\n'.encode() * 3
    text = write(tmp_path / "a.txt", good + b'{"text": "\xe9"}\n')
    assert f"a.txt: text that is not UTF-8: byte {len(good) + 10} is 0xe9" in str(refused(text))
    reason = "text that is not UTF-8: byte 0xe9 after 10 characters"
    lines = write(tmp_path / "a.jsonl", good + b'{"text": "\xe9"}\n' + good)
    assert bad_rows(lines) == {"a.jsonl:4": reason}
    table = write(tmp_path / "a.csv", b"text,n\nfirst,1\n0123456789\xe9,2\nlast,3\n")
    assert bad_rows(table) == {"a.csv:3": reason}
    array = write(
        tmp_path / "a.json", b'[{"text": "a"},\n{"text": "' + b"x" * 3_000_000 + b'\xe9"}]'
    )
    assert "a.json:2" in bad_rows(array)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_declares_the_encoding(tmp_path: Path, encoding: str):
    text = write(tmp_path / "a.txt", "héllo".encode(encoding))
    assert read(text)[0].text == "héllo"
    rows = write(tmp_path / "a.jsonl", '{"text": "héllo"}\n{"text": "b"}\n'.encode(encoding))
    assert [document.text for document in read(rows)] == ["héllo", "b"]


def test_parquet_is_read_by_column(tmp_path: Path):
    path = tmp_path / "a.parquet"
    rows = {"n": [1, 2, 3], "body": ["a", None, "c"], "label": ["x", "y", "z"]}
    pq.write_table(pa.table(rows), path)
    assert read(path, target_column="label", max_samples=1) == [Document("a.parquet:1", "a", "x")]
    assert bad_rows(path) == {"a.parquet:2": "no value in column 'body'"}
    assert "n" not in refused(path, text_column="n").advice.partition("Columns: ")[2].split(", ")


def test_parquet_of_dictionary_strings_is_text(tmp_path: Path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": pa.array(["a", "b", "a"]).dictionary_encode()}), path)
    assert [document.text for document in read(path)] == ["a", "b", "a"]


def test_half_a_parquet_file_is_refused(tmp_path: Path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["abc"] * 1000}), path)
    path.write_bytes(path.read_bytes()[:-200])
    assert "a.parquet cannot be read as Parquet" in str(refused(path))


def test_a_damaged_parquet_page_names_the_last_good_row(tmp_path: Path):
    path = tmp_path / "a.parquet"
    texts = [f"{number} {os.urandom(64).hex()}" for number in range(2000)]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=500, compression="SNAPPY")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = b"\xff" * 2000
    path.write_bytes(data)
    source = open_source(SourceSettings(path=str(path)))
    with pytest.raises(SourceError, match=r"cannot be read as Parquet after row \d+"):
        list(source.documents())


def test_a_folder_is_read_in_order_with_its_folders(tmp_path: Path):
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    write(tmp_path / ".git" / "x.txt", "hidden")
    write(tmp_path / "b" / "z.MD", "three")
    write(tmp_path / "b" / "a.txt", b"\xef\xbb\xbftwo")
    write(tmp_path / "a.md", "one")
    write(tmp_path / "picture.png", b"\x89PNG")
    assert read(tmp_path) == [
        Document("a.md", "one", None),
        Document("b/a.txt", "two", None),
        Document("b/z.MD", "three", None),
    ]
    assert read(tmp_path / "a.md") == [Document("a.md", "one", None)]


def test_a_folder_without_documents_says_what_it_holds(tmp_path: Path):
    assert "holds no .txt, .md, .html, .htm, .pdf, .docx, .epub, .csv," in str(refused(tmp_path))
    write(tmp_path / "data.xlsx", b"")
    assert "It holds 1 .xlsx" in refused(tmp_path).advice


def test_a_missing_file_says_what_is_there(tmp_path: Path):
    error = refused(tmp_path / "a.csv")
    assert "there is no file or folder" in str(error)
    assert str(tmp_path) in error.advice
    assert "exists" in refused(tmp_path / "no" / "such" / "a.csv").advice


def test_no_path_and_strange_paths_are_refused(tmp_path: Path):
    assert "no documents are configured" in str(refused(" "))
    assert "builtin:sample" in refused("builtin:tiny-vlm").advice
    assert ".docx" in str(refused(write(tmp_path / "a.doc", "x")))
    assert "cannot be read" in str(refused("/" + "x" * 5000))


def test_a_wrong_column_names_those_that_exist(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", '{"text": "a", "summary": "b"}\n')
    error = refused(path, text_column="txet")
    assert (error.key, error.advice) == (
        "source.text_column",
        "Did you mean text? Columns: text, summary.",
    )
    assert refused(path, target_column="answer").key == "source.target_column"


def test_the_default_column_is_a_known_name_and_said(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", '{"title": "t", "Article": "a", "body": "b"}\n')
    source = open_source(SourceSettings(path=str(path)))
    assert source.text_column == "Article"
    assert str(source.notices[0]) == "source.text_column: text column not set; using 'Article'"
    only = open_source(SourceSettings(path=str(write(tmp_path / "b.jsonl", '{"odd": "a"}'))))
    assert (only.text_column, only.notices) == ("odd", ())
    unknown = write(tmp_path / "c.jsonl", '{"odd": "a", "even": "b"}')
    assert "odd, even" in refused(unknown).advice


def test_a_column_that_holds_no_text_names_the_row(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", '{"text": "a"}\n{"text": {"b": 1}}\n')
    assert bad_rows(path) == {"a.jsonl:2": "column 'text' holds dict, not text"}


def test_columns_that_the_instruction_names_come_along(tmp_path: Path):
    rows = '{"text": "a", "language": "fr", "year": 1999, "new": true}\n{"text": "b"}\n'
    path = write(tmp_path / "a.jsonl", rows)
    settings = SourceSettings(path=str(path))
    source = open_source(settings, InstructionColumns(("language", "year", "new"), "instruction"))
    assert [document.columns for document in source.documents()] == [
        {"language": "fr", "year": "1999", "new": "true"},
        {"language": "", "year": "", "new": ""},
    ]
    with pytest.raises(ColumnError, match="no column 'langage'") as caught:
        open_source(settings, InstructionColumns(("langage",), "instruction"))
    assert caught.value.key == "instruction"
    assert caught.value.advice == "Did you mean language? Columns: text, language, year, new."
    write(path, '{"text": "a", "language": {"code": "fr"}}\n')
    source = open_source(settings, InstructionColumns(("language",), "instruction"))
    (document,) = source.documents()
    assert "column 'language' holds dict" in str(document.unreadable)


def test_a_number_of_a_parquet_file_can_stand_in_the_instruction(tmp_path: Path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a"], "year": [1999]}), path)
    source = open_source(
        SourceSettings(path=str(path)), InstructionColumns(("year",), "instruction")
    )
    assert [document.columns for document in source.documents()] == [{"year": "1999"}]


def test_at_most_max_samples_are_read(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", '{"text": "a"}\n' * 500 + "{broken")
    assert len(read(path, max_samples=4)) == 4
    assert len(read(path, max_samples=500)) == 500
    assert "a.jsonl:501" in bad_rows(path)


def test_local_sources_do_not_import_datasets_and_hub_names_are_told_apart(tmp_path: Path):
    assert is_on_hub(SourceSettings(path="owner/name"))
    assert is_on_hub(SourceSettings(path="squad"))
    for path in (str(tmp_path), "docs/a.csv", "./docs", "builtin:sample", "~/docs"):
        assert not is_on_hub(SourceSettings(path=path))


def test_columns_of_a_dataset_that_does_not_declare_them(tmp_path: Path):
    write(tmp_path / "train.jsonl", '{"n": 1, "article": "a"}\n{"n": 2, "article": "b"}\n')
    reader = HubReader(str(tmp_path), config=None, split="train")
    assert reader.columns == ("article",)
    assert [row.values["article"] for row in reader.rows(["article"])] == ["a", "b"]


@pytest.mark.parametrize("streaming", [True, False])
def test_a_hub_dataset_can_be_streamed_or_loaded_into_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streaming: bool
):
    cache = tmp_path / "cache"
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", cache)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    folder = tmp_path / "repository"
    folder.mkdir()
    pq.write_table(pa.table({"n": [1, 2], "text": ["a", "b"]}), folder / "train.parquet")
    reader = HubReader(str(folder), config=None, split="train", streaming=streaming)
    assert [row.values["text"] for row in reader.rows(["text"])] == ["a", "b"]
    assert dict(reader.kinds) == {"n": "int64", "text": "text"}
    assert any(cache.rglob("*.arrow")) is not streaming
    with pytest.raises(SourceError, match="exam") as caught:
        HubReader(str(folder), config=None, split="exam", streaming=streaming)
    assert caught.value.key == "source.split"
    with pytest.raises(SourceError, match="nope") as caught:
        HubReader(str(folder), config="nope", split="train", streaming=streaming)
    assert caught.value.key == "source.config"


def test_a_hub_dataset_that_breaks_off_says_after_which_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    for name in ("train-0.parquet", "train-1.parquet"):
        pq.write_table(pa.table({"text": ["a", "b"]}), tmp_path / name)
    reader = HubReader(str(tmp_path), config=None, split="train")
    (tmp_path / "train-1.parquet").unlink()
    rows = reader.rows(["text"])
    assert [next(rows).values["text"] for _ in range(2)] == ["a", "b"]
    with pytest.raises(SourceError, match="reading failed after row 2"):
        next(rows)


def test_a_dataset_is_read_through_datasets(tmp_path: Path):
    """A folder stands in for a repository: `datasets` reads both in the same way."""
    folder = tmp_path / "repository"
    folder.mkdir()
    columns = {"n": [1, 2, 3], "article": ["a", "b", "c"], "highlights": ["x", "y", "z"]}
    pq.write_table(pa.table(columns), folder / "train.parquet")
    reader = HubReader(str(folder), config=None, split="train")
    assert reader.columns == ("article", "highlights")
    assert reader.count() in (3, None)
    rows = list(reader.rows(["article"]))
    assert [row.values for row in rows] == [{"article": c} for c in "abc"]
    assert rows[2].location.endswith("repository:3")
    with pytest.raises(SourceError, match="split") as caught:
        HubReader(str(folder), config=None, split="exam")
    assert caught.value.key == "source.split"
    with pytest.raises(SourceError, match="nope") as caught:
        HubReader(str(folder), config="nope", split="train")
    assert caught.value.key == "source.config"


def test_the_builtin_sample_is_forty_four_documents_in_three_scripts():
    documents = read("builtin:sample", target_column="summary")
    assert len(documents) == 44
    assert len({document.source_id for document in documents}) == 44
    for letter in "aéßñωж":
        assert any(letter in document.text for document in documents)
    for document in documents:
        assert 25 <= len(document.text.split()) <= 70
        assert document.target is not None
        assert 3 <= len(document.target.split()) <= 10
