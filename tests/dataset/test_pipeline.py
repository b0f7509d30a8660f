"""From a configuration to a dataset that other programs read."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from PIL import Image

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.drawing.rendering import Renderer
from deepsynth_tui.dataset.errors import (
    DocumentTooLong,
    NoDocuments,
    NotEnoughSpace,
    OutputError,
    SourceError,
)
from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.writing import space
from deepsynth_tui.dataset.writing.rows import NEUTRAL_PROMPT
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


def test_two_folders_of_one_name_are_two_datasets(tmp_path: Path):
    """`datasets` took a folder whose card lists its files for any other of that name."""
    for word in ("first", "second"):
        path = documents(tmp_path / f"{word}.jsonl", {"id": word, "text": word})
        generate(config(path), tmp_path / word / "dataset", Recorder())
    for word in ("first", "second"):
        assert load(tmp_path / word / "dataset", tmp_path)["text"] == [word]


def test_datasets_reads_the_result_unaided(tmp_path: Path):
    text = "Grüße aus dem Süden. " * 60
    path = documents(tmp_path / "a.jsonl", {"id": "one", "text": text, "summary": "Grüße"})
    out = tmp_path / "out"
    listener = Recorder()
    settings = config(path, instruction="Summarise.", source={"target_column": "summary"})
    assert generate(settings, out, listener) == "completed"
    assert listener.phases == ["reading", "drawing", "writing", "done"]

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


def test_without_instruction_and_target_the_text_is_the_answer(tmp_path: Path):
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


def test_shards_have_their_size_and_their_number_in_their_names(tmp_path: Path):
    out = tmp_path / "out"
    listener = Recorder()
    generate(config(numbered(tmp_path, 7), output={"shard_size": 3}), out, listener)
    shards = sorted((out / "data").iterdir())
    assert [shard.name for shard in shards] == [f"train-0000{n}-of-00003.parquet" for n in range(3)]
    assert [pq.read_metadata(shard).num_rows for shard in shards] == [3, 3, 1]
    assert load(out, tmp_path)["source_id"][:] == [f"d{n}" for n in range(7)]
    assert listener.done[-1] == (7, 7)
    assert not (tmp_path / "out.partial").exists()


def test_two_processes_give_the_same_bytes_as_one(tmp_path: Path):
    trees = []
    for num_proc in (1, 2):
        out = tmp_path / f"out{num_proc}"
        source = {"target_column": "summary"}
        settings = config(Path("builtin:sample"), num_proc=num_proc, source=source)
        generate(settings, out, Recorder())
        trees.append({p.name: p.read_bytes() for p in out.rglob("*") if p.is_file()})
    assert trees[0] == trees[1]
    assert len(trees[0]) == 3


def test_the_report_counts_everything(tmp_path: Path):
    path = documents(
        tmp_path / "a.jsonl",
        {"id": "plain", "text": "A plain document."},
        {"id": "blank", "text": " \n\u200b"},
        {"id": "null", "text": None},
        {"id": "boxes", "text": "A plain document with one 日 and one 本 in it."},
        {"id": "chinese", "text": "日本語 ab"},
        {"id": "arabic", "text": "السلام عليكم"},
        {"id": "controls", "text": "a\x00b\x1bc \ud800 document"},
        {"id": "url", "text": "https://example.org/" + "a" * 200},
    )
    out = tmp_path / "out"
    listener = Recorder()
    generate(config(path), out, listener)
    report = report_of(out)
    assert report["documents"] == 4
    assert report["documents_read"] == 8
    assert report["pages"] == 4
    assert report["skipped"] == {
        "empty text": {"count": 2, "first_documents": ["blank", "null"]},
        "the font lacks its characters": {"count": 1, "first_documents": ["chinese"]},
        "right-to-left or joined script, which cannot be drawn yet": {
            "count": 1,
            "first_documents": ["arabic"],
        },
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
    assert drawn[3].lines > 1
    assert report["split_tokens"]["first_documents"] == ["url"]
    assert report["removed_control_characters"]["count"] == 2
    assert report["replaced_surrogates"]["count"] == 1
    assert report["font"] == "DejaVu Sans Book"
    assert report["font_sizes"] == {"16": 4}
    assert report["fingerprint"].startswith("sha256:")
    assert listener.warnings[0] == "skipped 2 of 8 documents, empty text: blank, null"
    assert any("日 (U+65E5)" in warning and "boxes" in warning for warning in listener.warnings)
    assert load(out, tmp_path)[2]["text"] == "abc \ufffd document"


def test_rows_without_an_answer_are_skipped_and_said(tmp_path: Path):
    path = documents(tmp_path / "a.jsonl", {"text": "a", "s": "x"}, {"text": "b", "s": ""})
    listener = Recorder()
    generate(config(path, source={"target_column": "s"}), tmp_path / "out", listener)
    assert listener.warnings == ["skipped 1 of 2 documents, empty target: a.jsonl:2"]


def test_the_fingerprint_is_of_the_content(tmp_path: Path):
    prints = []
    for name, changes in (
        ("a", {}),
        ("b", {"output": {"shard_size": 2}}),
        ("c", {"page": {**TINY, "margin": 33}}),
    ):
        generate(config(numbered(tmp_path, 5), **changes), tmp_path / name, Recorder())
        prints.append(report_of(tmp_path / name)["fingerprint"])
    assert prints[0] == prints[1] != prints[2]


def test_the_card_describes_the_dataset(tmp_path: Path):
    settings = config(numbered(tmp_path, 2), name="harbour", instruction="a | b")
    generate(settings, tmp_path / "out", Recorder())
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert text.startswith("---\npretty_name: harbour\n")
    assert "2 documents drawn as 2 page images" in text
    assert "a \\| b" in text


def test_only_empty_documents_fail(tmp_path: Path):
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
def test_an_error_in_the_middle_leaves_only_a_partial_folder(tmp_path: Path, num_proc: int):
    rows = [{"text": f"Document {n}."} for n in range(40)]
    path = documents(tmp_path / "a.jsonl", *rows, {"text": "word " * 2000})
    settings = config(path, on_overflow="error", num_proc=num_proc, output={"shard_size": 10})
    with pytest.raises(DocumentTooLong, match=r"a\.jsonl:41"):
        generate(settings, tmp_path / "out", Recorder())
    assert not (tmp_path / "out").exists()
    names = sorted(p.name for p in (tmp_path / "out.partial" / "data").iterdir())
    assert names[0] == "train-00000.parquet"
    assert not (tmp_path / "out.partial" / "report.json").exists()


def test_a_bad_row_late_in_the_file_is_found_before_anything_is_drawn(tmp_path: Path):
    path = numbered(tmp_path, 300)
    path.write_text(path.read_text() + "{half")
    listener = Recorder()
    with pytest.raises(SourceError, match="line 301"):
        generate(config(path), tmp_path / "out", listener)
    assert listener.phases == ["reading"]
    assert not (tmp_path / "out.partial").exists()


def test_stopping_leaves_a_partial_folder(tmp_path: Path):
    listener = Recorder(stop="stop", stop_after=5)
    settings = config(numbered(tmp_path, 40), output={"shard_size": 4})
    assert generate(settings, tmp_path / "out", listener) == "stopped"
    assert listener.done[-1][0] == 5
    assert not (tmp_path / "out").exists()
    assert pq.read_metadata(tmp_path / "out.partial/data/train-00000.parquet").num_rows == 4
    assert "writing" not in listener.phases


def test_stopping_after_a_checkpoint_waits_for_the_end_of_a_shard(tmp_path: Path):
    listener = Recorder(stop="stop-after-checkpoint", stop_after=5)
    settings = config(numbered(tmp_path, 40), output={"shard_size": 4})
    assert generate(settings, tmp_path / "out", listener) == "stopped"
    assert listener.done[-1][0] == 8
    names = sorted(p.name for p in (tmp_path / "out.partial" / "data").iterdir())
    assert names == ["train-00000.parquet", "train-00001.parquet"]


def test_a_new_attempt_replaces_what_the_last_one_left(tmp_path: Path):
    settings = config(numbered(tmp_path, 12), output={"shard_size": 4})
    generate(settings, tmp_path / "out", Recorder(stop="stop", stop_after=5))
    assert generate(settings, tmp_path / "out", Recorder()) == "completed"
    assert len(load(tmp_path / "out", tmp_path)) == 12
    assert not (tmp_path / "out.partial").exists()
    with pytest.raises(OutputError, match="exists already"):
        generate(settings, tmp_path / "out", Recorder())


def test_a_disk_too_small_is_known_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(space, "RESERVE_BYTES", 1 << 62)
    with pytest.raises(NotEnoughSpace, match="would take about"):
        generate(config(numbered(tmp_path, 3)), tmp_path / "out", Recorder())
    assert not (tmp_path / "out.partial").exists()


def test_images_are_stored_as_they_are_and_read_in_any_order(tmp_path: Path):
    out = tmp_path / "out"
    generate(config(numbered(tmp_path, 3)), out, Recorder())
    (shard,) = (out / "data").iterdir()
    group = pq.read_metadata(shard).row_group(0)
    bytes_column = group.column(0)
    assert bytes_column.path_in_schema == "images.list.element.bytes"
    assert bytes_column.compression == "UNCOMPRESSED"
    png = pq.read_table(shard)["images"][2].as_py()[0]["bytes"]
    assert Image.open(io.BytesIO(png)).format == "PNG"
