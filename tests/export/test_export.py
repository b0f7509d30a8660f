"""Exports, laid out as the documentation of the projects that read them lays them out."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pypdfium2
import pytest
import yaml
from PIL import Image, ImageDraw

from deepsynth_tui.config.export_formats import ExportFormatName
from deepsynth_tui.conversations.conversation import Conversation
from deepsynth_tui.export.export import FORMATS, ExportError, export
from deepsynth_tui.export.pdf_page import pdf_of_image
from deepsynth_tui.export.report import ExportReport
from deepsynth_tui.export.row_parts import DoesNotFit


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def page(mode: str = "L", size: tuple[int, int] = (60, 40)) -> Image.Image:
    """Return a page that looks different upside down and in a mirror."""
    image = Image.new("L", size, 255)
    ImageDraw.Draw(image).rectangle((5, 5, 25, 12), fill=0)
    return image.convert(mode)


PNG, JPEG = encoded(page(), "PNG"), encoded(page(), "JPEG", quality=95)
BOXES = {"words": [[{"text": "Tide", "bbox": [5, 5, 26, 13]}]]}


def text(value: str) -> dict[str, str]:
    return {"type": "text", "text": value}


def conversation(
    row_id: str,
    *turns: tuple[str, str],
    images: tuple[bytes, ...] = (PNG,),
    system: str = "",
    boxes: dict[str, Any] | None = None,
) -> Conversation:
    messages = [{"role": "system", "content": [text(system)]}] if system else []
    placeholders: list[Any] = [{"type": "image", "text": None}] * len(images)
    for question, answer in turns:
        messages.append({"role": "user", "content": [*placeholders, text(question)]})
        messages.append({"role": "assistant", "content": [text(answer)]})
        placeholders = []
    stored = [{"bytes": data, "path": None} for data in images]
    return Conversation(row_id, messages, stored, boxes=boxes or {})


ONE = conversation("one", ("Read this.", "Tide\nand foam"), boxes=BOXES)
SEVERAL_PAGES = conversation("pages", ("Read both.", "a é"), images=(PNG, JPEG))
SEVERAL_TURNS = conversation("turns", ("Who?", "She."), ("When?", "Now."))
WITH_SYSTEM = conversation("system", ("Read.", "Tide"), system="Be brief.")
PLACEHOLDER = conversation("literal", ("What is <image> for?", "For images."))
ALL = (ONE, SEVERAL_PAGES, SEVERAL_TURNS, WITH_SYSTEM, PLACEHOLDER)


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., tuple[Path, ExportReport]]:
    def run(name: ExportFormatName, *rows: Conversation) -> tuple[Path, ExportReport]:
        folder = tmp_path / "made" / "harbour"
        report = export({"train": rows or ALL, "test": [ONE]}, name, folder)
        assert [path.name for path in folder.parent.iterdir()] == ["harbour"]
        return folder, report

    return run


Exported = Callable[..., tuple[Path, ExportReport]]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", ["llamafactory", "ms-swift"])
def test_llamafactory_and_ms_swift(exported: Exported, name: str):
    folder, report = exported(name)
    information = json.loads((folder / "dataset_info.json").read_text())
    assert set(information) == {"harbour", "harbour_test"}
    described = information["harbour"]
    assert described["formatting"] == "sharegpt"
    assert described["columns"] == {"messages": "messages", "images": "images"}
    tags = described["tags"]
    rows = lines(folder / described["file_name"])
    assert rows[0]["messages"] == [
        {"role": "user", "content": "<image>Read this."},
        {"role": "assistant", "content": "Tide\nand foam"},
    ]
    assert rows[0]["words"] == BOXES["words"]
    assert rows[1]["messages"][0]["content"] == "<image><image>Read both."
    assert [m["content"] for m in rows[2]["messages"]] == ["<image>Who?", "She.", "When?", "Now."]
    assert rows[3]["messages"][0] == {"role": tags["system_tag"], "content": "Be brief."}
    for row in rows:
        contents = "".join(message[tags["content_tag"]] for message in row["messages"])
        assert contents.count("<image>") == len(row["images"])
    assert [(folder / path).read_bytes() for path in rows[1]["images"]] == [PNG, JPEG]
    assert [Path(path).suffix for path in rows[1]["images"]] == [".png", ".jpg"]
    (reason,) = report.left_out
    assert "<image>" in reason
    assert report.left_out[reason].first == ["literal"]
    assert report.written == {"train": 4, "test": 1}


def test_qwen(exported: Exported):
    folder, report = exported("qwen")
    one, pages, turns = json.loads((folder / "train.json").read_text(encoding="utf-8"))
    assert (folder / one["image"]).read_bytes() == PNG
    assert one["conversations"] == [
        {"from": "human", "value": "<image>Read this."},
        {"from": "gpt", "value": "Tide\nand foam"},
    ]
    assert [(folder / path).read_bytes() for path in pages["image"]] == [PNG, JPEG]
    assert pages["conversations"][0]["value"].count("<image>") == 2
    assert [turn["from"] for turn in turns["conversations"]] == ["human", "gpt"] * 2
    assert [left_out.first for left_out in report.left_out.values()] == [["system"], ["literal"]]


def test_trl_messages(exported: Exported, tmp_path: Path):
    folder, report = exported("trl")
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert isinstance(loaded, datasets.DatasetDict)
    rows: list[Any] = list(loaded["train"])
    assert not report.left_out
    for row, given in zip(rows, ALL, strict=True):
        assert row["messages"] == [dict(message) for message in given.messages]
        assert all(isinstance(image, Image.Image) for image in row["images"])
        assert row["words"] == (given.boxes.get("words"))
    encoded_images = loaded["train"].cast_column(
        "images", datasets.List(datasets.Image(decode=False))
    )
    assert [image["bytes"] for image in encoded_images[1]["images"]] == [PNG, JPEG]


def test_trl_prompt_completion(exported: Exported, tmp_path: Path):
    folder, report = exported("trl-prompt-completion")
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert isinstance(loaded, datasets.DatasetDict)
    rows: list[Any] = list(loaded["train"])
    assert len(rows) == len(ALL) + 1
    for row in rows:
        assert [message["role"] for message in row["completion"]] == ["assistant"]
        assert row["prompt"][-1]["role"] == "user"
        parts = [part["type"] for message in row["prompt"] for part in message["content"]]
        assert parts.count("image") == len(row["images"])
    first, second = rows[2:4]
    assert first["completion"][0]["content"][0]["text"] == "She."
    assert second["completion"][0]["content"][0]["text"] == "Now."
    assert [message["role"] for message in second["prompt"]] == ["user", "assistant", "user"]
    assert sum(report.changes.values()) == 1


def test_olmocr(exported: Exported):
    folder, report = exported("olmocr")
    (markdown,) = [path for path in (folder / "train").glob("*.md") if "foam" in path.read_text()]
    start, front_matter, body = markdown.read_text().split("---\n")
    assert (start, body) == ("", "Tide\nand foam")
    # What olmOCR requires, and nothing else.
    assert yaml.safe_load(front_matter) == {
        "primary_language": None,
        "is_rotation_valid": True,
        "rotation_correction": 0,
        "is_table": False,
        "is_diagram": False,
    }
    pdf = pypdfium2.PdfDocument(markdown.with_suffix(".pdf"))
    assert len(pdf) == 1
    assert (
        sorted(path.suffix for path in (folder / "train").iterdir()) == [".md"] * 3 + [".pdf"] * 3
    )
    assert {left_out.first[0] for left_out in report.left_out.values()} == {"pages", "turns"}
    assert any("question is left out" in warning for warning in report.warnings())
    assert "the boxes are left out" in report.changes


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_webdataset(exported: Exported, tmp_path: Path):
    folder, report = exported("webdataset")
    with tarfile.open(folder / "train-000000.tar") as tar:
        files = {name: tar.extractfile(name) for name in tar.getnames()}
        contents = {name: file.read() for name, file in files.items() if file}
    assert contents["00000000.png"] == PNG
    assert contents["00000000.txt"] == b"Tide\nand foam"
    row = json.loads(contents["00000000.json"])
    assert (row["row_id"], row["words"]) == ("one", BOXES["words"])
    assert row["messages"] == [dict(message) for message in ONE.messages]
    assert (contents["00000001.0.png"], contents["00000001.1.jpg"]) == (PNG, JPEG)
    assert "00000002.txt" not in contents
    assert report.changes.total() == 2
    loaded = datasets.load_dataset(str(folder), split="test", cache_dir=str(tmp_path / "cache"))
    assert isinstance(loaded, datasets.Dataset)
    assert loaded[0]["png"].size == (60, 40)
    assert loaded[0]["json"]["row_id"] == "one"


@pytest.mark.parametrize(
    ("rows", "column", "answers"),
    [
        ((ONE, PLACEHOLDER), "image", ["Tide\nand foam", "For images."]),
        (ALL, "images", ["Tide\nand foam", "a é", "Tide", "For images."]),
    ],
    ids=["one", "several"],
)
def test_imagefolder(
    exported: Exported,
    tmp_path: Path,
    rows: tuple[Conversation, ...],
    column: str,
    answers: list[str],
):
    folder, report = exported("imagefolder", *rows)
    metadata = lines(folder / "train" / "metadata.jsonl")
    assert [row["answer"] for row in metadata] == answers
    assert {row["question"] for row in metadata} >= {"Read this.", "What is <image> for?"}
    assert [left_out.first for left_out in report.left_out.values()] == (
        [["turns"]] if rows is ALL else []
    )
    loaded = datasets.load_dataset(
        "imagefolder", data_dir=str(folder), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert isinstance(loaded, datasets.Dataset)
    assert loaded["answer"][:] == answers
    images = loaded[0][column]
    assert (images[0] if column == "images" else images).size == (60, 40)
    if column == "images":
        assert [row["system"] for row in metadata] == ["", "", "Be brief.", ""]
        assert len(loaded[1]["images"]) == 2


@pytest.mark.parametrize("name", FORMATS)
def test_answers_that_are_not_to_be_learned_are_marked_or_counted(
    tmp_path: Path, name: ExportFormatName
):
    *first, last = ONE.messages
    row = Conversation("one", [*first, {**last, "learned": False}], ONE.images)
    report = export({"train": [row]}, name, tmp_path / "out")
    counted = any("not to be learned" in change for change in report.changes)
    assert counted == (name not in ("llamafactory", "ms-swift", "webdataset"))
    if name == "ms-swift":
        (written,) = lines(tmp_path / "out" / "train.jsonl")
        assert [message.get("loss") for message in written["messages"]] == [None, False]


@pytest.mark.parametrize("name", FORMATS)
def test_equal_rows_give_equal_files(tmp_path: Path, name: ExportFormatName):
    trees = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        export({"train": ALL}, name, folder, dataset="harbour")
        trees.append({p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.*")})
    assert trees[0] == trees[1]


@pytest.mark.parametrize("name", FORMATS)
def test_a_split_without_rows_that_fit_leaves_no_files(tmp_path: Path, name: ExportFormatName):
    broken = conversation("broken", ("Read.", "a"), images=(b"no image",))
    report = export({"train": [ONE], "test": [broken]}, name, tmp_path / "out")
    assert report.written == {"train": 1}
    assert not [path for path in (tmp_path / "out").rglob("*") if "test" in path.name]


def test_a_folder_with_files_is_refused(tmp_path: Path):
    (tmp_path / "out").mkdir()
    export({"train": [ONE]}, "qwen", tmp_path / "out")
    before = sorted((tmp_path / "out").rglob("*"))
    with pytest.raises(ExportError, match="already exists"):
        export({"train": [ONE]}, "qwen", tmp_path / "out")
    assert sorted((tmp_path / "out").rglob("*")) == before


@pytest.mark.parametrize(
    ("rows", "name", "message"),
    [
        ([], "qwen", "no rows"),
        ([WITH_SYSTEM], "qwen", "none of the 1 rows fits .* no system prompt"),
        ([conversation("c", ("Read.", "a"), images=())], "imagefolder", "has no image"),
        ([Conversation("c", ONE.messages, [])], "qwen", "image parts and of images differ"),
        ([Conversation("c", ONE.messages[:1], ONE.images)], "qwen", "does not end with an answer"),
        ([Conversation("c", ONE.messages[::-1], ONE.images)], "qwen", "do not alternate"),
        (
            [Conversation("c", ONE.messages, [{"bytes": None, "path": "no.png"}])],
            "trl",
            "not exist",
        ),
    ],
)
def test_nothing_is_left_of_an_export_that_fails(
    tmp_path: Path, rows: list[Conversation], name: ExportFormatName, message: str
):
    with pytest.raises(ExportError, match=message):
        export({"train": rows}, name, tmp_path / "out")
    assert not list(tmp_path.iterdir())


ROTATED = Image.Exif()
ROTATED[0x0112] = 6  # to be turned clockwise by 90 degrees
IMAGES = {
    "gray": encoded(page(), "PNG"),
    "black and white": encoded(page("1"), "PNG"),
    "palette": encoded(page("P"), "PNG"),
    "colour": encoded(page("RGB"), "PNG"),
    "16 bits": encoded(Image.fromarray(np.asarray(page()).astype(np.uint16) * 257), "PNG"),
    "transparent": encoded(page("RGBA"), "PNG"),
    "JPEG": JPEG,
    "colour JPEG": encoded(page("RGB"), "JPEG", quality=95),
    "rotated JPEG": encoded(page("RGB").rotate(90, expand=True), "JPEG", quality=95, exif=ROTATED),
    "WebP": encoded(page("RGB"), "WEBP", lossless=True),
}


@pytest.mark.parametrize("name", IMAGES)
def test_a_pdf_shows_the_image(name: str):
    suffix = ".jpg" if "JPEG" in name else ".webp" if name == "WebP" else ".png"
    pdf = pypdfium2.PdfDocument(pdf_of_image(IMAGES[name], suffix))
    (shown,) = pdf
    assert shown.get_size() == pytest.approx((60 * 72 / 150, 40 * 72 / 150), abs=0.01)
    drawn = shown.render(scale=4).to_pil().convert("L").resize((60, 40))
    difference = np.abs(np.asarray(drawn, np.int16) - np.asarray(page(), np.int16))
    assert (difference > 60).mean() < 0.05


def test_a_pdf_holds_the_compressed_data_of_the_file():
    assert JPEG in pdf_of_image(JPEG, ".jpg")
    idat = PNG[PNG.index(b"IDAT") + 4 : PNG.index(b"IEND") - 8]
    assert idat in pdf_of_image(PNG, ".png")


@pytest.mark.parametrize("data", [PNG[:40], JPEG[:20], b"\x89PNG\r\n\x1a\n"])
def test_a_damaged_image_does_not_fit_into_a_pdf(data: bytes):
    with pytest.raises(DoesNotFit, match="damaged"):
        pdf_of_image(data, ".png")
