"""What cannot be read says what is wrong, where, and what there is instead."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import datasets
import pytest

from deepsynth_tui.conversations.columns import Columns
from deepsynth_tui.conversations.dataset import open_dataset, read
from deepsynth_tui.conversations.errors import DatasetError, RowError
from tests.conversations.conftest import png, write_images, write_lines

USER = {"role": "user", "content": "What?"}
ANSWER = {"role": "assistant", "content": "Red."}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"image": "no.png"}, "there is no image no.png in "),
        ({"image": "/no/such.png"}, "there is no image /no/such.png"),
        ({"image": "https://x.org/a.png"}, "https://x.org/a.png is on the internet"),
        ({"image": "data:image/png;base64,@@@"}, "Base64 is damaged"),
        ({"question": "<image><image>?"}, "2 <image> in its text, but 1 images"),
        ({"image": None, "question": "<image>?"}, "1 <image> in its text, but 0 images"),
        ({"answer": ""}, "the answer is empty"),
        ({"answer": " \n"}, "the answer is empty"),
        ({"answer": None}, "the answer is empty"),
        ({"answer": ["Red.", "Blue."]}, "column 'answer' holds a list of 2 values"),
        ({"answer": "\ud800"}, "half of a surrogate pair"),
        ({"question": ["a", "b"], "answer": ["c"]}, "2 questions in column 'question', but 1"),
        ({"videos": ["a.mp4"]}, "a value in column 'videos'"),
        ({"history": ["a"]}, "a history that is no list of pairs"),
        ({"answer": "<bbox>", "objects": {"bbox": [1]}}, "a placeholder such as <bbox>"),
        ({"messages": [USER]}, "the last message is by user, not by the assistant"),
        ({"messages": [ANSWER]}, "no turn of the user"),
        ({"messages": [USER, {"role": "assistant", "content": None}]}, "the answer is empty"),
        ({"messages": [USER, {"role": "judge", "content": "x"}]}, "unknown role 'judge'"),
        ({"messages": [USER, {"role": "tool", "content": "x"}, ANSWER]}, "tool calls are not"),
        ({"messages": [USER, {**ANSWER, "tool_calls": [{"id": 1}]}]}, "calls tools"),
        (
            {"messages": [USER, {"role": "assistant"}]},
            "a turn without 'content'; its keys",
        ),
        ({"messages": [USER, "Red."]}, "a turn that is str, not an object"),
        ({"messages": []}, "a conversation without turns"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}, ANSWER]}, "'video'"),
        ({"messages": [USER, {"role": "assistant", "content": [{"type": "image"}]}]}, "an answer"),
        ({"messages": [USER, {**ANSWER, "weight": 0.5}]}, "a turn with weight 0.5"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}, ANSWER]}, "a text part"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value)[:40],
)
def test_a_row(tmp_path: Path, row: dict[str, Any], message: str):
    write_images(tmp_path, "a.png")
    good: dict[str, Any] = {"image": "a.png", "question": "What?", "answer": "Red."}
    if "messages" in row:
        good = {"image": "a.png", "messages": [USER, ANSWER]}
    path = write_lines(tmp_path / "rows.jsonl", good, {**good, **row})
    errors: list[RowError] = []
    assert len(list(read(str(path), skip=errors.append))) == 1
    (error,) = errors
    assert error.row_id == "row 1 (rows.jsonl:2)"
    assert message in error.reason
    with pytest.raises(RowError):
        list(read(str(path)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n{"a": 1, "a": 2}\n', "line 2: the key 'a' is there more than once"),
        ('{"a": 1}\n\n{"a": }\n', "line 3: invalid JSON: Expecting value"),
        ('[{"a": 1},\n 3]', "line 2: expected an object, got 3"),
        ('[{"a": 1}', "line 1: invalid JSON: expected ']', got the end of the file"),
        ('{"a": "\\ud8', "line 1: invalid JSON"),
        ("", "has no rows"),
        ("# words", "line 1: invalid JSON"),
        ("[" * 100_000, "line 1: nested too deeply"),
        ('{"a": 1' + "0" * 5000 + "}", "line 1: Exceeds the limit"),
        ('{"boxes": []}', "no column holds an answer to learn; the dataset has boxes"),
        ('{"prompt": "a", "chosen": "b", "rejected": "c"}', "a dataset of preferences"),
    ],
)
def test_a_json_file(tmp_path: Path, text: str, message: str):
    (tmp_path / "rows.jsonl").write_text(text)
    with pytest.raises(DatasetError) as caught:
        open_dataset(str(tmp_path / "rows.jsonl"))
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", b'{"a": "\xe9"}', "is not UTF-8 text: byte 0xe9"),
        ("rows.csv", b"a,a\n1,2\n", "more than one column is named 'a'"),
        ("rows.csv", b"a,b\n1\n", "line 2: 1 fields where the header has 2"),
        ("rows.csv", b'a,b\n1,"2\n', "line 2: invalid CSV"),
        ("rows.parquet", b"PAR1", "rows.parquet cannot be read"),
        ("rows.tar", b"no tar" * 100, "cannot be read as a tar file"),
        ("rows.tar", b"\x1f\x8b", "is compressed"),
        ("rows.jsonl.gz", b"\x1f\x8b\x08", "cannot be read"),
        ("rows.xlsx", b"", "is not of a known kind"),
        ("dataset_info.json", b'{"a": {"file_name": "no.json"}}', "there is no file"),
        ("dataset_info.json", b'{"a": {"file_name": "x", "formatting": "y"}}', "formatting 'y'"),
        ("dataset_info.json", b'{"a": {"file_name": "x", "ranking": true}}', "of preferences"),
    ],
)
def test_a_file(tmp_path: Path, name: str, content: bytes, message: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        open_dataset(str(tmp_path / name))
    assert message in caught.value.message


def test_folders(tmp_path: Path):
    write_images(tmp_path / "classes" / "cat", "1.png")
    write_images(tmp_path / "classes" / "dog", "2.png")
    write_images(tmp_path / "images", "1.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("x")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "state.json").write_text("{}")
    for name, message in {
        "classes": "which are labels of classes",
        "images": "no text to learn",
        "empty": "is empty",
        "notes": "has no files with rows; it has .txt",
        "saved": "cannot be read",
        "*.none": "no file matches",
        "nothing.jsonl": "is not a folder, not a file",
    }.items():
        with pytest.raises(DatasetError) as caught:
            open_dataset(str(tmp_path / name))
        assert message in caught.value.message


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        (Columns(images="scan"), "data.image_column"),
        (Columns(target="total"), "data.target_column"),
        (Columns(question="q"), "data.question_column"),
        (Columns(messages="chat"), "data.messages_column"),
        (Columns(system="s"), "data.system_column"),
    ],
)
def test_named_columns_that_are_not_there(tmp_path: Path, columns: Columns, key: str):
    path = write_lines(tmp_path / "rows.jsonl", {"image": "a", "question": "b", "answer": "c"})
    with pytest.raises(DatasetError, match="the dataset has image, question, answer") as caught:
        open_dataset(str(path), columns=columns)
    assert caught.value.key == key
    # The former defaults are in older configurations, where nobody chose them.
    assert open_dataset(str(path), columns=Columns(images="images", target="target"))


def test_splits_and_configurations(tmp_path: Path):
    write_lines(tmp_path / "train.jsonl", {"question": "b", "answer": "c"})
    write_lines(tmp_path / "test.jsonl", {"question": "b", "answer": "c"})
    with pytest.raises(DatasetError, match="no split 'dev'; the dataset has") as caught:
        open_dataset(str(tmp_path), split="dev")
    assert caught.value.key == "data.split"
    entries = {name: {"file_name": "train.jsonl"} for name in ("a", "b")}
    (tmp_path / "dataset_info.json").write_text(json.dumps(entries))
    with pytest.raises(DatasetError, match="names several; it has a, b") as caught:
        open_dataset(str(tmp_path))
    assert caught.value.key == "data.config"


def test_parquet_files_that_differ(tmp_path: Path):
    datasets.Dataset.from_dict({"answer": ["a"]}).to_parquet(tmp_path / "train-1.parquet")
    datasets.Dataset.from_dict({"other": [1]}).to_parquet(tmp_path / "train-2.parquet")
    with pytest.raises(DatasetError, match="cannot be read"):
        open_dataset(str(tmp_path))


def test_a_damaged_archive_of_images(tmp_path: Path):
    (tmp_path / "images.zip").write_bytes(b"no zip")
    path = write_lines(tmp_path / "rows.jsonl", {"image": "images/a.png", "answer": "b"})
    with pytest.raises(RowError, match=r"images.zip cannot be read"):
        list(read(str(path)))
    (tmp_path / "images.zip").unlink()
    with tarfile.open(tmp_path / "images.tar", "w"):
        pass
    assert png()
    path = write_lines(tmp_path / "more.jsonl", {"image": "images/a.png", "answer": "b"})
    with pytest.raises(RowError, match="there is no image"):
        list(read(str(path)))
