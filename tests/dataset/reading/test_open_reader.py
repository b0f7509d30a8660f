"""Folders, patterns and containers: which files are read, and which are said to be left out."""

from __future__ import annotations

import io
import json
import os
import socket
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest

from deepsynth_tui.dataset.reading.reader import unexpectedly_left_out
from tests.dataset.reading.source_files import (
    documents,
    opened,
    refused,
    texts,
    write,
    write_parquet,
)


def test_files_of_other_types_in_a_folder_are_counted(tmp_path: Path):
    for name in ("a.txt", "b.PNG", "c.png", "sub/d.xlsx", "Makefile", ".hidden.txt", ".git/e.txt"):
        write(tmp_path / name, name)
    source = opened(tmp_path)
    assert [document.source_id for document in source.documents()] == ["a.txt"]
    assert source.left_out == {".png": 2, ".xlsx": 1, "without suffix": 1, "hidden": 2}
    assert unexpectedly_left_out(source.left_out).keys() == {".png", ".xlsx", "without suffix"}
    assert source.contents == ("documents: 1 .txt",)


def test_links_are_followed_and_every_file_is_read_once(tmp_path: Path):
    folder = tmp_path / "docs"
    write(folder / "a.txt", "one")
    write(folder / "sub" / "b.txt", "two")
    write(tmp_path / "elsewhere" / "c.txt", "three")
    write(tmp_path / "elsewhere" / "deep" / "d.txt", "four")
    write(tmp_path / "single.txt", "five")
    for link, target in {
        "linked": tmp_path / "elsewhere",
        "linked again": tmp_path / "elsewhere",
        "sub/loop": folder,
        "sub/up": tmp_path / "elsewhere" / "deep",
        "a link.txt": folder / "a.txt",
        "single.txt": tmp_path / "single.txt",
        "single again.txt": tmp_path / "single.txt",
        "dangling.txt": tmp_path / "nowhere.txt",
    }.items():
        (folder / link).symlink_to(target)
    os.link(folder / "a.txt", folder / "hard.txt")
    read = texts(folder)
    assert {name: text for name, text in read.items() if name != "dangling.txt"} == {
        "a.txt": "one",
        "hard.txt": "one",
        "linked/c.txt": "three",
        "linked/deep/d.txt": "four",
        "single again.txt": "five",
        "sub/b.txt": "two",
    }
    assert list(read) == sorted(read)
    assert "cannot be opened (no such file" in read["dangling.txt"]
    assert opened(folder).left_out == {"link to what is read anyway": 5}


def test_fifos_sockets_and_devices_are_never_opened(tmp_path: Path):
    folder = tmp_path / "docs"
    write(folder / "a.txt", "one")
    os.mkfifo(folder / "pipe.txt")
    (folder / "null.md").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "s.txt"))
        source = opened(folder)
    assert [document.text for document in source.documents()] == ["one"]
    assert source.left_out == {"FIFO": 1, "device": 1, "socket": 1}
    assert "is a FIFO" in str(refused(folder / "pipe.txt"))
    assert "is a device" in str(refused("/dev/null"))


def clone(folder: Path) -> Path:
    """Write what `git clone` of a Hub dataset gives."""
    write(folder / "README.md", "---\nlicense: mit\n---\n# About")
    write(folder / ".gitattributes", "*.parquet filter=lfs")
    write_parquet(folder / "data/train-00000-of-00002.parquet", text=["a", "b"])
    write_parquet(folder / "data/train-00001-of-00002.parquet", text=["c"])
    write_parquet(folder / "data/test-00000-of-00001.parquet", text=["t"])
    return folder


def test_a_clone_of_a_hub_dataset_is_read_by_split(tmp_path: Path):
    folder = clone(tmp_path / "clone")
    assert texts(folder) == {
        "data/train-00000-of-00002.parquet:1": "a",
        "data/train-00000-of-00002.parquet:2": "b",
        "data/train-00001-of-00002.parquet:1": "c",
    }
    assert list(texts(folder, split="test").values()) == ["t"]
    source = opened(folder)
    assert source.left_out == {"hidden": 1, "about the dataset": 1, "of split test": 1}
    assert not unexpectedly_left_out(source.left_out)
    error = refused(folder, split="exam")
    assert (error.key, error.advice) == ("source.split", "Set source.split to one of: test, train.")
    assert refused(folder, config="en").key == "source.config"


@pytest.mark.parametrize(
    ("names", "split", "chosen"),
    [
        (["train.jsonl", "dev.jsonl"], "train", ["train.jsonl"]),
        (["train.jsonl", "dev.jsonl"], "validation", ["dev.jsonl"]),
        (["train.jsonl", "dev.jsonl"], "dev", ["dev.jsonl"]),
        (["my_train-1.jsonl", "my_test_1.jsonl"], "train", ["my_train-1.jsonl"]),
        (["train/a.jsonl", "train/b.jsonl", "test/a.jsonl"], "test", ["test/a.jsonl"]),
        (["a.jsonl", "b.jsonl"], "train", ["a.jsonl", "b.jsonl"]),
        (["trainer.jsonl", "latest.jsonl"], "train", ["latest.jsonl", "trainer.jsonl"]),
        (["extra-00000-of-00001.jsonl"], "extra", ["extra-00000-of-00001.jsonl"]),
    ],
)
def test_splits_are_those_of_the_names(
    tmp_path: Path, names: list[str], split: str, chosen: list[str]
):
    for name in names:
        write(tmp_path / name, json.dumps({"text": name}) + "\n")
    assert list(texts(tmp_path, split=split).values()) == chosen


CARD = """---
configs:
- config_name: en
  data_files: en/*.parquet
- config_name: fr
  default: true
  data_files:
  - split: train
    path: [fr/one.parquet]
  - split: validation
    path: fr/two.parquet
- config_name: de
  data_dir: de
---
# About
"""


def test_the_configurations_of_the_card_are_read(tmp_path: Path):
    for name in ("en/a", "fr/one", "fr/two", "de/train", "de/test"):
        write_parquet(tmp_path / f"{name}.parquet", text=[name])
    write(tmp_path / "README.md", CARD)
    assert list(texts(tmp_path).values()) == ["fr/one"]
    assert list(texts(tmp_path, split="validation").values()) == ["fr/two"]
    assert list(texts(tmp_path, config="en").values()) == ["en/a"]
    assert list(texts(tmp_path, config="de", split="test").values()) == ["de/test"]
    assert refused(tmp_path, config="it").advice.endswith("one of: en, fr, de.")
    write(tmp_path / "README.md", CARD.replace("  default: true\n", ""))
    assert "several configurations" in str(refused(tmp_path))
    write(tmp_path / "README.md", "---\nconfigs: [\n---\n")
    assert "invalid YAML" in str(refused(tmp_path))
    write(tmp_path / "README.md", CARD.replace("fr/one", "fr/gone"))
    assert "git lfs pull" in str(refused(tmp_path))


def test_a_folder_of_documents_and_tables_says_that_only_the_documents_are_read(tmp_path: Path):
    write(tmp_path / "README.md", "about")
    write(tmp_path / "a.txt", "one")
    write(tmp_path / "index.csv", "text\ntwo\n")
    source = opened(tmp_path)
    assert [document.text for document in source.documents()] == ["about", "one"]
    assert source.left_out == {".csv": 1}
    assert "1 .csv: only the documents are read" in str(source.notices[0])
    assert list(texts(tmp_path / "*.csv").values()) == ["two"]


def test_of_several_types_of_tables_the_most_common_is_read(tmp_path: Path):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.jsonl", '{"text": "x"}\n')
    write(tmp_path / "a.csv", "text\ny\n")
    source = opened(tmp_path)
    assert [document.text for document in source.documents()] == ["x", "x"]
    assert source.left_out == {".csv": 1}
    assert "only the .jsonl files are read" in str(source.notices[0])


def test_patterns(tmp_path: Path):
    folder = clone(tmp_path / "clone")
    assert list(texts(f"{folder}/data/train-*.parquet").values()) == ["a", "b", "c"]
    assert list(texts(f"{folder}/**/*.parquet").values()) == ["t", "a", "b", "c"]
    assert list(texts(f"{folder}/*.md")) == ["README.md"]
    assert "no file matches" in str(refused(f"{folder}/*.csv"))
    write(folder / "index.csv", "text\nx\n")
    assert "matches 1 .md and 1 .csv" in str(refused(f"{folder}/*.*"))
    write(folder / "picture.xyz", "")
    assert "matches only 1 .xyz" in str(refused(f"{folder}/*.xyz"))
    (folder / "loop").symlink_to(folder)
    assert list(texts(f"{folder}/**/*.parquet").values()) == ["t", "a", "b", "c"]
    literal = write(folder / "a[1].txt", "brackets")
    assert list(texts(literal).values()) == ["brackets"]


def test_settings_without_effect_are_said(tmp_path: Path):
    path = write_parquet(tmp_path / "a.parquet", text=["a"])
    assert str(opened(path, split="test").notices[0]).startswith("source.split: has no effect")


def test_a_file_that_lacks_the_column_has_no_values(tmp_path: Path):
    write_parquet(tmp_path / "a.parquet", text=["a"])
    write_parquet(tmp_path / "b.parquet", body=["b"])
    assert texts(tmp_path, text_column="text") == {
        "a.parquet:1": "a",
        "b.parquet:1": "no value in column 'text'",
    }


def test_a_git_lfs_pointer_is_recognised(tmp_path: Path):
    path = write(tmp_path / "a.parquet", "version https://git-lfs.github.com/spec/v1\n")
    assert "git lfs pull" in refused(path).advice


def save_to_disk(folder: Path, shards: list[list[str]]) -> Path:
    """Write what `Dataset.save_to_disk` of `datasets` writes."""
    names = [f"data-{n:05d}-of-{len(shards):05d}.arrow" for n in range(len(shards))]
    for name, values in zip(names, shards, strict=True):
        table = pa.table({"text": values, "meta": [{"lang": "fr"}] * len(values)})
        folder.mkdir(parents=True, exist_ok=True)
        with pa.ipc.new_stream(folder / name, table.schema) as stream:
            stream.write_table(table)
    state = {"_data_files": [{"filename": name} for name in names], "_split": None}
    write(folder / "state.json", json.dumps(state))
    write(folder / "dataset_info.json", "{}")
    return folder


def test_datasets_of_save_to_disk(tmp_path: Path):
    one = save_to_disk(tmp_path / "one", [["a", "b"], ["c"]])
    assert list(texts(one).values()) == ["a", "b", "c"]
    assert documents(one, target_column="meta.lang")[0].target == "fr"
    assert list(texts(one / "data-00001-of-00002.arrow").values()) == ["c"]
    both = tmp_path / "both"
    save_to_disk(both / "train", [["a"]])
    save_to_disk(both / "test", [["t"]])
    write(both / "dataset_dict.json", '{"splits": ["train", "test"]}')
    assert list(texts(both).values()) == ["a"]
    assert list(texts(both, split="test").values()) == ["t"]
    assert refused(both, split="exam").advice == "Set source.split to one of: train, test."
    (one / "data-00001-of-00002.arrow").unlink()
    assert "lacks data-00001" in str(refused(one))
    assert "cannot be read as Arrow" in str(refused(write(tmp_path / "x.arrow", "text")))


def tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_webdataset_archives(tmp_path: Path):
    path = tar(
        tmp_path / "a.tar",
        {
            "x/1.txt": b"one",
            "x/1.json": b'{"lang": "fr"}',
            "x/1.jpg": b"\xff",
            "x/2.txt": b"\xe9",
            "x/2.json": b"{}",
            "x/3.txt": b"three",
            "x/3.json": b"{",
            "x/4.txt": b"four",
        },
    )
    read = texts(path, text_column="txt")
    assert read["a.tar:x/1"] == "one"
    assert read["a.tar:x/2"].startswith("text that is not UTF-8: x/2.txt: byte 0")
    assert read["a.tar:x/3"].startswith("invalid JSON: x/3.json")
    assert documents(path, target_column="json.lang")[0].target == "fr"
    assert opened(path).text_column == "txt"
    packed = tar(tmp_path / "b.tar.gz", {"1.json": b'{"text": "packed"}'})
    assert texts(packed) == {"b.tar.gz:1": "packed"}
    assert "no members with text" in str(refused(tar(tmp_path / "c.tar", {"1.jpg": b"x"})))


@pytest.mark.parametrize("cut", [512, 700, 1024, 1300])
def test_a_tar_file_that_ends_early_is_refused(tmp_path: Path, cut: int):
    whole = tar(tmp_path / "a.tar", {"1.txt": b"one", "2.txt": b"two"})
    assert list(texts(whole).values()) == ["one", "two"]
    path = write(tmp_path / "cut.tar", whole.read_bytes()[:cut])
    assert "cannot be read as a tar file" in str(refused(path))
    path = write(tmp_path / "twice.tar", whole.read_bytes() * 2)
    assert "second archive" in str(refused(path))
