"""Containers of rows: files, folders, archives; what is in them is found by its structure."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pypdfium2
import pytest
from PIL import Image

from deepsynth_tui.conversations.containers.olmocr import PROMPT
from deepsynth_tui.conversations.dataset import open_dataset, read, split_names
from tests.conversations.conftest import colours, outline, png, write_images, write_lines

ROW = {"image": "a.png", "question": "What?", "answer": "Red."}
TURNS = ["user: [image]What?", "assistant: Red."]
MESSAGES = [{"role": "user", "content": "<image>What?"}, {"role": "assistant", "content": "Red."}]


def json_array(folder: Path) -> Path:
    write_images(folder, "a.png")
    (folder / "rows.json").write_text(json.dumps([ROW], indent=2))
    return folder / "rows.json"


def json_data(folder: Path) -> Path:
    write_images(folder, "a.png")
    (folder / "rows.json").write_text(json.dumps({"version": "1", "data": [ROW], "size": 1}))
    return folder / "rows.json"


def json_lines_gzipped(folder: Path) -> Path:
    write_images(folder, "a.png")
    (folder / "rows.jsonl.gz").write_bytes(
        gzip.compress(b"\xef\xbb\xbf" + json.dumps(ROW).encode())
    )
    return folder / "rows.jsonl.gz"


def csv_file(folder: Path) -> Path:
    write_images(folder, "a.png")
    (folder / "rows.csv").write_text('image,question,answer\na.png,"What?","Red."\n')
    return folder / "rows.csv"


def tsv_file(folder: Path) -> Path:
    write_images(folder, "a.png")
    (folder / "rows.tsv").write_text("image\tquestion\tanswer\na.png\tWhat?\tRed.\n")
    return folder / "rows.tsv"


def csv_with_conversations(folder: Path) -> Path:
    write_images(folder, "a.png")
    text = json.dumps(MESSAGES).replace('"', '""')
    (folder / "rows.csv").write_text(f'image,messages\na.png,"{text}"\n')
    return folder / "rows.csv"


def parquet_file(folder: Path) -> Path:
    features = datasets.Features(
        {name: datasets.Value("string") for name in ("question", "answer")}
        | {"image": datasets.Image()}
    )
    rows = [{**ROW, "image": {"bytes": png(), "path": None}}]
    datasets.Dataset.from_list(rows, features).to_parquet(folder / "rows.parquet")
    return folder / "rows.parquet"


def hub_clone(folder: Path) -> Path:
    (folder / "data").mkdir()
    parquet_file(folder).rename(folder / "data" / "train-00000-of-00001.parquet")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Pages\n")
    (folder / ".gitattributes").write_text("*.parquet filter=lfs\n")
    write_images(folder / "assets", "a.png", "b.png", "c.png")
    return folder


def hub_clone_of_json_lines(folder: Path) -> Path:
    write_images(folder / "img", "a.png")
    write_lines(folder / "train.jsonl", {**ROW, "image": "img/a.png"})
    write_lines(folder / "test.jsonl", {**ROW, "answer": "held out"})
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: train, path: t*n.*}\n"
        "  - {split: test, path: test.jsonl}\n---\n"
    )
    return folder


def save_to_disk(folder: Path) -> Path:
    features = datasets.Features(
        {name: datasets.Value("string") for name in ("question", "answer")}
        | {"image": datasets.Image()}
    )
    rows = [{**ROW, "image": {"bytes": png(), "path": None}}]
    saved = datasets.Dataset.from_list(rows, features)
    datasets.DatasetDict({"train": saved, "test": saved}).save_to_disk(folder / "saved")
    return folder / "saved"


def image_folder(folder: Path) -> Path:
    write_images(folder / "train", "a.png")
    write_lines(folder / "train" / "metadata.jsonl", {"file_name": "a.png", **_without_image()})
    return folder


def image_folder_with_csv(folder: Path) -> Path:
    write_images(folder, "a.png")
    (folder / "metadata.csv").write_text("file_name,question,answer\na.png,What?,Red.\n")
    return folder


def _without_image() -> dict[str, str]:
    return {name: value for name, value in ROW.items() if name != "image"}


def webdataset(folder: Path) -> Path:
    with tarfile.open(folder / "train-0000.tar", "w") as archive:
        for name, content in (
            ("7.png", png()),
            ("7.json", json.dumps(_without_image()).encode()),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return folder


def llama_factory_sharegpt(folder: Path) -> Path:
    write_images(folder / "mllm_demo_data", "1.png")
    rows = [{"msgs": [{"r": "q", "c": "<image>What?"}, {"r": "a", "c": "Red."}], "pics": ["1.png"]}]
    rows[0]["pics"] = ["mllm_demo_data/1.png"]
    (folder / "mllm_demo.json").write_text(json.dumps(rows))
    entry = {
        "file_name": "mllm_demo.json",
        "formatting": "sharegpt",
        "columns": {"messages": "msgs", "images": "pics"},
        "tags": {"role_tag": "r", "content_tag": "c", "user_tag": "q", "assistant_tag": "a"},
    }
    (folder / "dataset_info.json").write_text(
        json.dumps({"mllm_demo": entry, "other": {"hf_hub_url": "x/y"}})
    )
    return folder


def llama_factory_alpaca(folder: Path) -> Path:
    write_images(folder, "a.png")
    rows = [{"q": "<image>What?", "a": "Red.", "images": ["a.png"]}]
    (folder / "rows.json").write_text(json.dumps(rows))
    columns = {"prompt": "q", "response": "a", "images": "images"}
    (folder / "dataset_info.json").write_text(
        json.dumps({"mine": {"file_name": "rows.json", "columns": columns}})
    )
    return folder / "rows.json"


def glob(folder: Path) -> Path:
    write_images(folder, "a.png")
    write_lines(folder / "part-1.jsonl", ROW)
    return folder / "part-*.jsonl"


def images_in_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        archive.writestr("00/a.png", png())
    return write_lines(folder / "rows.jsonl", {**ROW, "image": "images/00/a.png"})


def images_in_tar(folder: Path) -> Path:
    with tarfile.open(folder / "images.tar", "w") as archive:
        member = tarfile.TarInfo("./a.png")
        member.size = len(png())
        archive.addfile(member, io.BytesIO(png()))
    return write_lines(folder / "rows.jsonl", ROW)


CONTAINERS = (
    *(json_array, json_data, json_lines_gzipped, csv_file, tsv_file, csv_with_conversations),
    *(parquet_file, hub_clone, hub_clone_of_json_lines, save_to_disk, image_folder),
    *(image_folder_with_csv, webdataset, llama_factory_sharegpt, llama_factory_alpaca, glob),
    *(images_in_zip, images_in_tar),
)


@pytest.mark.parametrize("write", CONTAINERS, ids=lambda write: write.__name__)
def test_a_container(tmp_path: Path, write: Callable[[Path], Path]):
    path = str(write(tmp_path))
    for _ in range(2):  # the second time from the cache
        (conversation,) = read(path)
        assert outline(conversation) == TURNS
        assert colours(conversation) == ["red"]
    assert "train" in split_names(path)


def test_olmocr(tmp_path: Path):
    document = pypdfium2.PdfDocument.new()
    document.new_page(612, 792)
    document.save(tmp_path / "page.pdf")
    document.new_page(612, 792)
    document.save(tmp_path / "two.pdf")
    text = "---\nprimary_language: en\nis_table: False\n---\nHello."
    (tmp_path / "page.md").write_text(text)
    (tmp_path / "two.md").write_text(text)
    (tmp_path / "alone.pdf").write_bytes(b"")
    errors: list[Any] = []
    (conversation,) = read(str(tmp_path), skip=errors.append)
    assert outline(conversation) == [f"user: [image]{PROMPT}", f"assistant: {text}"]
    assert Image.open(conversation.images[0]["path"]).size == (995, 1288)
    assert "has 2 pages" in errors[0].reason
    assert "1 PDF files without a .md" in open_dataset(str(tmp_path)).all_notices()[0]


def test_several_images_and_a_text_in_a_webdataset(tmp_path: Path):
    with tarfile.open(tmp_path / "pages.tar", "w") as archive:
        for name, content in (
            ("a/7.page10.png", png("green")),
            ("a/7.page2.png", png("red")),
            ("a/7.txt", b"Red, green."),
            ("a/8.page1.png", png("blue")),
            ("a/8.txt", b"Blue."),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    first, second = read(str(tmp_path / "pages.tar"))
    assert colours(first) == ["red", "green"]
    assert first.answer == "Red, green."
    assert colours(second) == ["blue"]
    assert first.row_id == "row 0 (pages.tar:a/7)"


def test_splits_by_name(tmp_path: Path):
    for name in ("train", "val", "test/a"):
        write_lines(tmp_path / f"{name}.jsonl", {"question": "?", "answer": name})
    assert set(split_names(str(tmp_path))) == {"train", "validation", "test"}
    (row,) = read(str(tmp_path), split="validation")
    assert row.answer == "val"
    (row,) = read(str(tmp_path / "val.jsonl"))
    assert row.answer == "val"


def test_rows_change_with_the_file(tmp_path: Path):
    path = write_lines(tmp_path / "rows.jsonl", {"question": "?", "answer": "one"})
    assert [row.answer for row in read(str(path))] == ["one"]
    write_lines(path, {"question": "?", "answer": "another"})
    assert [row.answer for row in read(str(path))] == ["another"]


def test_class_labels_are_learned_by_name(tmp_path: Path):
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    rows = [{"image": {"bytes": png(), "path": None}, "label": 1}]
    datasets.Dataset.from_list(rows, features).to_parquet(tmp_path / "train.parquet")
    assert [row.answer for row in read(str(tmp_path))] == ["dog"]
