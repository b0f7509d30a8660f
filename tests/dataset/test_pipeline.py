"""Generated datasets: files, rows, reports, stops."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.load import check_values
from deepsynth_tui.conversations.dataset import open_dataset, read
from deepsynth_tui.dataset.drawing.renderer import Renderer
from deepsynth_tui.dataset.errors import (
    DocumentTooLong,
    NoDocuments,
    NotEnoughSpace,
    OutputError,
    SourceError,
)
from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.writing import disk_space
from deepsynth_tui.dataset.writing.document_batches import split_of
from deepsynth_tui.dataset.writing.partial_dataset import SHARDS
from deepsynth_tui.dataset.writing.schema import NEUTRAL_PROMPT
from tests.dataset.recorder import Recorder

TINY: dict[str, Any] = {"preset": "tiny", "font_size": 16}


def config(path: Path, **changes: Any) -> DatasetConfig:
    source = {"path": str(path), **changes.pop("source", {})}
    return DatasetConfig.model_validate({"page": TINY, **changes, "source": source})


def documents(path: Path, *rows: Mapping[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def numbered(tmp_path: Path, count: int) -> Path:
    return documents(
        tmp_path / "n.jsonl", *({"id": f"d{n}", "text": f"Document {n}."} for n in range(count))
    )


def report_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def load(folder: Path, tmp_path: Path) -> datasets.Dataset:
    loaded = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    assert isinstance(loaded, datasets.Dataset)
    return loaded


def test_two_folders_with_the_same_name_load_as_two_datasets(tmp_path: Path):
    """`datasets` does not look at the files that a card lists when it looks into its cache."""
    for word in ("first", "second"):
        path = documents(tmp_path / f"{word}.jsonl", {"id": word, "text": word})
        generate(config(path, name="same"), tmp_path / word / "dataset", Recorder())
    for word in ("first", "second"):
        assert load(tmp_path / word / "dataset", tmp_path)["text"] == [word]


def test_other_formats_are_written_beside_the_dataset(tmp_path: Path):
    settings = config(numbered(tmp_path, 4), output={"formats": ["llamafactory", "imagefolder"]})
    generate(settings, tmp_path / "dataset", Recorder())
    pages = [conversation.images for conversation in read(str(tmp_path / "dataset"))]
    for name in ("llamafactory", "imagefolder"):
        exported = list(read(str(tmp_path / f"dataset-{name}")))
        files = [[Path(image["path"]).read_bytes() for image in c.images] for c in exported]
        assert files == [[image["bytes"] for image in images] for images in pages]


def test_datasets_loads_the_result(tmp_path: Path):
    text = "Grüße aus dem Süden. " * 60
    path = documents(tmp_path / "a.jsonl", {"id": "one", "text": text, "summary": "Grüße"})
    out = tmp_path / "out"
    recorder = Recorder()
    settings = config(path, instruction="Summarise.", source={"target_column": "summary"})
    assert generate(settings, out, recorder) == "completed"
    assert recorder.phases == ["reading", "drawing", "writing", "done"]

    loaded = load(out, tmp_path)
    string = datasets.Value("string")
    assert loaded.features == datasets.Features(
        {
            "images": datasets.List(datasets.Image()),
            "messages": datasets.List(
                {"role": string, "content": datasets.List({"type": string, "text": string})}
            ),
            **dict.fromkeys(("text", "instruction", "prompted_text", "target"), string),
            "source_id": string,
            "source_hash": string,
            "pages": datasets.Value("int32"),
            "first_page": datasets.Value("int32"),
        }
    )
    row = loaded[0]
    assert row["pages"] == len(row["images"]) > 1
    assert all(image.size == (512, 512) and image.getextrema()[0] < 50 for image in row["images"])
    assert row["text"] == text
    assert row["prompted_text"] == "Summarise.\n\n" + text
    assert (row["instruction"], row["target"]) == ("Summarise.", "Grüße")
    assert (row["source_id"], row["source_hash"]) == (
        "one",
        hashlib.sha256(text.encode()).hexdigest(),
    )
    assert row["messages"] == [
        {
            "role": "user",
            "content": [{"type": "image", "text": None}] * row["pages"]
            + [{"type": "text", "text": "Summarise."}],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "Grüße"}]},
    ]


def test_the_default_target_is_the_text(tmp_path: Path):
    out = tmp_path / "out"
    generate(config(numbered(tmp_path, 1)), out, Recorder())
    row = load(out, tmp_path)[0]
    assert row["text"] == row["prompted_text"] == row["target"] == "Document 0."
    assert row["instruction"] == ""
    assert row["messages"][0]["content"][-1]["text"] == NEUTRAL_PROMPT


def test_the_instruction_is_on_the_page(tmp_path: Path):
    pages = {}
    for instruction in (None, "Summarise."):
        out = tmp_path / f"out-{instruction}"
        generate(config(numbered(tmp_path, 1), instruction=instruction), out, Recorder())
        pages[instruction] = load(out, tmp_path / f"{instruction}")[0]["images"][0].tobytes()
    assert pages[None] != pages["Summarise."]


def test_eval_fraction_holds_out_a_test_split(tmp_path: Path):
    splits = {}
    for size in (7, 30):
        out = tmp_path / f"out{size}" / "pages"
        output = {"shard_size": size, "eval_fraction": 0.25}
        generate(config(numbered(tmp_path, 60), output=output), out, Recorder())
        loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / f"cache{size}"))
        assert isinstance(loaded, datasets.DatasetDict)
        splits[size] = {name: split["source_id"][:] for name, split in loaded.items()}
        for name, split in loaded.items():
            assert {split_of(source_hash, 0.25) for source_hash in split["source_hash"]} == {name}
    assert splits[7] == splits[30]
    assert set(splits[7]) == {"train", "test"}
    assert {*splits[7]["train"], *splits[7]["test"]} == {f"d{n}" for n in range(60)}
    assert len(splits[7]["train"]) + len(splits[7]["test"]) == 60
    assert 5 < len(splits[7]["test"]) < 25
    report = report_of(tmp_path / "out7" / "pages")
    assert report["splits"]["test"]["documents"] == len(splits[7]["test"])
    opened = open_dataset(str(tmp_path / "out7" / "pages"))
    assert list(opened.rows.values("source_id")) == splits[7]["train"]


def test_an_empty_test_split_gives_a_warning(tmp_path: Path):
    recorder = Recorder()
    settings = config(numbered(tmp_path, 2), output={"eval_fraction": 0.0001})
    generate(settings, tmp_path / "out", recorder)
    assert recorder.warnings == [
        "the split test is empty: output.eval_fraction is too small for 2 documents"
    ]


def test_rows_have_the_format_of_trl(tmp_path: Path):
    """TRL's `DataCollatorForVisionLanguageModeling` reads `images` and `messages`: one
    image for each placeholder, in order, and contents that are lists of typed parts."""
    path = documents(tmp_path / "a.jsonl", {"text": "word " * 500}, {"text": "short"})
    generate(config(path, instruction="Read."), tmp_path / "out", Recorder())
    for row in load(tmp_path / "out", tmp_path):
        assert isinstance(row, dict)
        parts = [part for message in row["messages"] for part in message["content"]]
        assert sum(part["type"] == "image" for part in parts) == len(row["images"])
        assert all(isinstance(image, Image.Image) for image in row["images"])
        assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
        for part in parts:
            assert set(part) == {"type", "text"}
            assert (part["type"], part["text"] is None) in (("image", True), ("text", False))


def test_the_manifest_holds_the_hash_of_each_file(tmp_path: Path):
    output = {"shard_size": 4, "eval_fraction": 0.3}
    generate(config(numbered(tmp_path, 20), output=output), tmp_path / "out", Recorder())
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert {file["path"] for file in manifest["files"]} == {
        f"data/{path.name}" for path in (tmp_path / "out" / "data").iterdir()
    }
    for file in manifest["files"]:
        content = (tmp_path / "out" / file["path"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["bytes"] == len(content)
        assert file["rows"] == pq.read_metadata(tmp_path / "out" / file["path"]).num_rows
    assert not list((tmp_path / "out").glob(".*"))


def test_shards_have_their_size_and_are_numbered(tmp_path: Path):
    out = tmp_path / "out"
    recorder = Recorder()
    generate(config(numbered(tmp_path, 7), output={"shard_size": 3}), out, recorder)
    shards = sorted((out / "data").iterdir())
    assert [shard.name for shard in shards] == [f"train-0000{n}-of-00003.parquet" for n in range(3)]
    assert [pq.read_metadata(shard).num_rows for shard in shards] == [3, 3, 1]
    assert load(out, tmp_path)["source_id"][:] == [f"d{n}" for n in range(7)]
    assert recorder.done[-1] == (7, 7)
    assert not (tmp_path / "out.partial").exists()


def test_two_processes_write_the_same_bytes_as_one(tmp_path: Path):
    trees = []
    for num_proc in (1, 2):
        out = tmp_path / f"out{num_proc}"
        source = {"target_column": "summary"}
        settings = config(Path("builtin:sample"), num_proc=num_proc, source=source)
        generate(settings, out, Recorder())
        trees.append({p.name: p.read_bytes() for p in out.rglob("*") if p.is_file()})
    assert trees[0] == trees[1]
    assert set(trees[0]) >= {"report.json", "manifest.json", "train-00000-of-00001.parquet"}


def test_the_report_counts_everything(tmp_path: Path):
    path = documents(
        tmp_path / "a.jsonl",
        {"id": "plain", "text": "A plain document."},
        {"id": "blank", "text": " \n\u200b"},
        {"id": "null", "text": None},
        {"id": "boxes", "text": "A plain document with one 日 and one 本 in it."},
        {"id": "arabic", "text": "السلام عليكم"},
        {"id": "controls", "text": "a\x00b\x1bc \ud800 document"},
        {"id": "url", "text": "https://example.org/" + "a" * 200},
        {"id": "again", "text": "A plain document."},
    )
    out = tmp_path / "out"
    recorder = Recorder()
    generate(config(path, flaws={"missing_glyphs": "keep"}), out, recorder)
    report = report_of(out)
    assert report["documents"] == 6
    assert report["documents_read"] == 8
    assert report["pages"] == 6
    assert report["skipped"] == {
        "empty text": {"count": 1, "first_documents": ["blank"]},
        "no value in column 'text'": {"count": 1, "first_documents": ["null"]},
    }
    assert report["missing_glyphs"] == {
        "count": 2,
        "documents": 1,
        "first_documents": ["boxes"],
        "characters": {"日": 1, "本": 1},
    }
    assert report["lost_lines"] == 0
    drawn = [Renderer(config(path).page).render(text) for text in load(out, tmp_path)["text"]]
    assert report["lines"] == sum(page.lines for page in drawn)
    assert drawn[4].lines > 1
    assert report["split_tokens"]["first_documents"] == ["url"]
    assert report["removed_characters"]["count"] == 3
    assert report["duplicates"]["first_documents"] == ["again"]
    assert report["font"] == "DejaVu Sans Book"
    assert report["fonts"] == {"DejaVu Sans Book": 6}
    assert report["font_sizes"] == {"16": 6}
    assert report["splits"]["train"]["documents"] == 6
    assert report["fingerprint"].startswith("sha256:")
    assert recorder.warnings[:2] == [
        "skipped 1 of 8 documents, empty text: blank",
        "skipped 1 of 8 documents, no value in column 'text': null",
    ]
    assert any("日 (U+65E5)" in warning and "boxes" in warning for warning in recorder.warnings)
    assert load(out, tmp_path)[3]["text"] == "abc \ufffd document"


def test_flaws_jsonl_gives_the_row_of_each_document_with_a_flaw(tmp_path: Path):
    long = "https://example.org/" + "a" * 200
    path = documents(
        tmp_path / "a.jsonl",
        *({"id": f"d{n}", "text": f"Document {n}."} for n in range(4)),
        {"id": "boxes", "text": "本"},
        {"id": "url", "text": long},
        {"id": "again", "text": long},
    )
    settings = config(path, flaws={"missing_glyphs": "drop"}, output={"shard_size": 3})
    generate(settings, tmp_path / "out", Recorder())
    lines = (tmp_path / "out" / "flaws.jsonl").read_text(encoding="utf-8").splitlines()
    boxes, url, again = map(json.loads, lines)
    assert (boxes["source_id"], boxes["row"], boxes["file"]) == ("boxes", None, None)
    assert boxes["left_out"] == "the font lacks its characters"
    assert boxes["missing_glyphs"] == 1
    assert (url["split_tokens"], "duplicates" in url) == (1, False)
    assert (again["split_tokens"], again["duplicates"]) == (1, 1)
    for line in (url, again):
        rows = pq.read_table(tmp_path / "out" / line["file"])
        assert rows["source_id"][line["row"]].as_py() == line["source_id"]


def test_rows_without_a_target_are_skipped_with_a_warning(tmp_path: Path):
    path = documents(tmp_path / "a.jsonl", {"text": "a", "s": "x"}, {"text": "b", "s": ""})
    recorder = Recorder()
    generate(config(path, source={"target_column": "s"}), tmp_path / "out", recorder)
    assert recorder.warnings == ["skipped 1 of 2 documents, empty target: a.jsonl:2"]


def test_the_fingerprint_depends_on_the_content_alone(tmp_path: Path):
    fingerprints = []
    for name, changes in (
        ("a", {}),
        ("b", {"output": {"shard_size": 2}}),
        ("c", {"page": {**TINY, "margin": 33}}),
    ):
        generate(config(numbered(tmp_path, 5), **changes), tmp_path / name, Recorder())
        fingerprints.append(report_of(tmp_path / name)["fingerprint"])
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


def test_the_card_describes_the_dataset(tmp_path: Path):
    settings = config(numbered(tmp_path, 2), name="harbour", instruction="a | b")
    generate(settings, tmp_path / "out", Recorder())
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert text.startswith("---\npretty_name: harbour\n")
    assert "2 documents drawn as 2 page images" in text
    assert re.search(r"^\| train \| 2 \| 2 \| 2 \| 0\.\d \|$", text, re.MULTILINE)
    assert "| missing glyphs | 0 | 0 | stop |" in text
    assert "| `page.margin` | 48 |" in text
    assert "a \\| b" in text


def test_the_front_matter_of_the_card_is_what_the_hub_reads(tmp_path: Path):
    def front_matter(**output: Any) -> dict[str, Any]:
        generate(config(path, name="harbour", output=output), tmp_path / "out", Recorder())
        text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
        return yaml.safe_load(text.split("---\n")[1])

    path = numbered(tmp_path, 2)
    first = front_matter()
    assert first["size_categories"] == ["n<1K"]
    assert first["task_categories"] == ["image-text-to-text"]
    (configuration,) = first["configs"]
    assert configuration["config_name"] == "default"
    assert configuration["data_files"] == [{"split": "train", "path": "data/train-*.parquet"}]
    assert "license" not in first
    assert "language" not in first
    # A complete dataset is not drawn again for its card.
    again = front_matter(license="cc-by-4.0", language="en")
    assert again == {**first, "license": "cc-by-4.0", "language": ["en"]}
    assert front_matter(license="mit", language=["en", "zh-Hant"])["language"] == ["en", "zh-Hant"]


@pytest.mark.parametrize(
    ("output", "key"),
    [({"license": "Apache 2.0"}, "output.license"), ({"language": ["english"]}, "output.language")],
)
def test_licenses_and_languages_that_the_hub_does_not_know_are_refused(
    output: dict[str, Any], key: str
):
    values = {"kind": "dataset", "source": {"path": "a.csv"}, "output": output}
    assert [problem.key for problem in check_values(values).problems] == [key]


def test_a_source_of_empty_documents_fails(tmp_path: Path):
    path = documents(tmp_path / "a.jsonl", {"text": ""}, {"text": " "})
    with pytest.raises(NoDocuments, match="none of the 2 documents could be used: 2 empty text"):
        generate(config(path), tmp_path / "out", Recorder())
    assert not (tmp_path / "out").exists()


def test_overflow_can_be_an_error_that_names_the_document(tmp_path: Path):
    path = documents(
        tmp_path / "a.jsonl", {"text": "short"}, {"id": "long", "text": "word " * 2000}
    )
    with pytest.raises(DocumentTooLong, match=r"document long needs \d+ pages") as caught:
        generate(config(path, on_overflow="error"), tmp_path / "out", Recorder())
    assert caught.value.key == "on_overflow"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("num_proc", [1, 2])
def test_an_error_keeps_the_finished_shards(tmp_path: Path, num_proc: int):
    rows = [{"text": f"Document {n}."} for n in range(40)]
    path = documents(tmp_path / "a.jsonl", *rows, {"text": "word " * 2000})
    settings = config(path, on_overflow="error", num_proc=num_proc, output={"shard_size": 10})
    with pytest.raises(DocumentTooLong, match=r"a\.jsonl:41"):
        generate(settings, tmp_path / "out", Recorder())
    assert not (tmp_path / "out").exists()
    names = {p.name for p in (tmp_path / "out.partial" / SHARDS).iterdir()}
    finished = {name for name in names if name.endswith(".json")}
    assert {name.replace(".json", ".parquet") for name in finished} <= names
    # The worker of the failing shard, or the other one, has finished shards before it.
    assert finished
    assert not any(name.startswith((".", "train-00004")) for name in names)
    assert not (tmp_path / "out.partial" / "report.json").exists()


def test_an_invalid_row_late_in_the_file_is_found_before_anything_is_drawn(tmp_path: Path):
    path = numbered(tmp_path, 300)
    path.write_text(path.read_text() + "{half")
    recorder = Recorder()
    with pytest.raises(SourceError, match=r"jsonl:301: invalid JSON: .* is stop"):
        generate(config(path, flaws={"bad_rows": "stop"}), tmp_path / "out", recorder)
    assert recorder.phases == ["reading"]
    assert not (tmp_path / "out.partial").exists()


def test_stopping_keeps_the_finished_shards(tmp_path: Path):
    recorder = Recorder(stop="stop", stop_after=5)
    settings = config(numbered(tmp_path, 40), output={"shard_size": 4})
    assert generate(settings, tmp_path / "out", recorder) == "stopped"
    assert recorder.done[-1][0] == 5
    assert not (tmp_path / "out").exists()
    shards = sorted(p.name for p in (tmp_path / "out.partial" / SHARDS).iterdir())
    assert shards == ["train-00000.json", "train-00000.parquet"]
    assert recorder.results["documents"] == 4
    assert "writing" not in recorder.phases


@pytest.mark.parametrize("num_proc", [1, 2])
def test_stopping_after_a_checkpoint_finishes_the_current_shards(tmp_path: Path, num_proc: int):
    recorder = Recorder(stop="stop-after-checkpoint", stop_after=5)
    settings = config(numbered(tmp_path, 400), output={"shard_size": 4}, num_proc=num_proc)
    assert generate(settings, tmp_path / "out", recorder) == "stopped"
    shards = list((tmp_path / "out.partial" / SHARDS).glob("*.parquet"))
    assert 1 < len(shards) < 100
    assert recorder.results["documents"] == 4 * len(shards)
    assert num_proc > 1 or len(shards) == 2


def test_too_little_disk_space_is_found_before_anything_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(disk_space, "RESERVE_BYTES", 1 << 62)
    with pytest.raises(NotEnoughSpace, match="the dataset needs about"):
        generate(config(numbered(tmp_path, 3)), tmp_path / "out", Recorder())
    assert not list((tmp_path / "out.partial" / SHARDS).iterdir())


def test_an_output_folder_with_other_files_is_left_alone(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="already exists"):
        generate(config(numbered(tmp_path, 3)), tmp_path / "out", Recorder())
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


def test_images_are_stored_uncompressed(tmp_path: Path):
    out = tmp_path / "out"
    generate(config(numbered(tmp_path, 3)), out, Recorder())
    (shard,) = (out / "data").iterdir()
    group = pq.read_metadata(shard).row_group(0)
    bytes_column = group.column(0)
    assert bytes_column.path_in_schema == "images.list.element.bytes"
    assert bytes_column.compression == "UNCOMPRESSED"
    png = pq.read_table(shard)["images"][2].as_py()[0]["bytes"]
    assert Image.open(io.BytesIO(png)).format == "PNG"


def test_the_first_page_and_what_is_written_are_reported_shard_by_shard(tmp_path: Path):
    rows = [{"id": f"d{n}", "text": "" if n == 3 else f"Document {n}."} for n in range(6)]
    path = documents(tmp_path / "n.jsonl", *rows)
    job = Recorder()
    output = {"shard_size": 2}
    generate(config(path, output=output), tmp_path / "dataset", job)
    assert [written[:3] for written in job.written] == [(2, 2, 2), (3, 3, 3), (5, 5, 5)]
    assert job.written[0][3] == {}
    assert list(job.written[-1][3].values()) == [1]
    assert set("".join(job.page)) - {"\u2800"}
