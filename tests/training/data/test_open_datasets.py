"""Several datasets, a dataset to evaluate on, and models that cannot read a dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets.config
import pytest

from deepsynth_tui.config.load import check_values
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.conversations.errors import DatasetError, RowError
from deepsynth_tui.training.data.dataset import Split, load_split
from deepsynth_tui.training.result.lineage import fingerprint
from tests.training import small_datasets


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def write(path: Path, count: int, **columns: Any) -> Path:
    rows = [{"question": "?", "answer": f"{path.stem} {i}", **columns} for i in range(count)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def load(*, images: bool = False, **sections: Any) -> Split:
    config = TrainingConfig.model_validate({"kind": "training", **sections})
    return load_split(config, images=images)


def test_several_datasets_by_weight(tmp_path: Path):
    first, second = write(tmp_path / "a.jsonl", 10), write(tmp_path / "b.jsonl", 40)
    parts = [{"path": str(first), "weight": 0.5}, {"path": str(second), "weight": 1.5}]
    split = load(datasets=parts)
    names = [split.train[i].answer.split()[0] for i in range(len(split.train))]
    assert (names.count("a"), names.count("b")) == (10, 30)
    assert names[:10] != ["a"] * 10
    assert split.train.conversation(0).row_id.startswith(("a.jsonl: row ", "b.jsonl: row "))
    described = "\n".join(split.description)
    assert "a.jsonl: 10 rows per epoch, 25.0% of all; 0 of 10 rows are not taken" in described
    assert "b.jsonl: 30 rows per epoch, 75.0% of all; 10 of 40 rows are not taken" in described
    again = load(datasets=parts)
    assert (again.train.indices, fingerprint(again)) == (split.train.indices, fingerprint(split))


def test_without_weights_all_rows_are_taken_and_some_held_out_of_each(tmp_path: Path):
    parts = [{"path": str(write(tmp_path / f"{name}.jsonl", 10))} for name in "ab"]
    split = load(datasets=parts, data={"eval_fraction": 0.2})
    held_out = {split.held_out[i].answer.split()[0] for i in range(len(split.held_out))}
    assert (len(split.train), len(split.held_out), held_out) == (16, 4, {"a", "b"})


def test_an_error_names_its_dataset(tmp_path: Path):
    good = {"path": str(write(tmp_path / "a.jsonl", 2))}
    bad = {"path": str(write(tmp_path / "b.jsonl", 2)), "target_column": "reply"}
    with pytest.raises(DatasetError, match=r"datasets\.2\.target_column: there is no") as caught:
        load(datasets=[good, bad])
    assert caught.value.key == "datasets.2.target_column"


def test_a_dataset_to_evaluate_on(tmp_path: Path):
    train = write(tmp_path / "data" / "train.jsonl", 5)
    write(tmp_path / "data" / "val.jsonl", 3)
    other = write(tmp_path / "other.jsonl", 2)
    folder = str(train.parent)
    by_split = load(data={"path": folder, "eval_split": "validation"})
    assert [len(by_split.train), len(by_split.held_out)] == [5, 3]
    assert by_split.held_out[0].answer == "val 0"
    by_path = load(data={"path": folder, "eval_path": str(other), "max_eval_samples": 1})
    assert [row.answer for row in (by_path.held_out[0],)] == ["other 0"]
    assert len(by_path.held_out) == 1
    assert any(line.startswith("evaluation: ") for line in by_path.description)
    assert len({fingerprint(split) for split in (by_split, by_path)}) == 2
    with pytest.raises(DatasetError, match=r"data\.eval_split: there is no split 'test'"):
        load(data={"path": folder, "eval_split": "test"})
    with pytest.raises(DatasetError, match=r"data\.eval_path: /no/such is not a folder"):
        load(data={"path": folder, "eval_path": "/no/such", "eval_split": "test"})


def test_documents_on_both_sides_are_counted(tmp_path: Path):
    rows = [small_datasets.row(number) for number in range(4)]
    train = small_datasets.write(tmp_path / "a", rows)
    held_out = small_datasets.write(tmp_path / "b", rows[3:])
    split = load(images=True, data={"path": str(train), "eval_path": str(held_out)})
    assert "1 rows to evaluate on are of documents that are also trained on" in split.notices


def test_rows_about_one_image_are_on_one_side(tmp_path: Path):
    rows = [{"image": f"{i // 5}.png", "question": "?", "answer": str(i)} for i in range(20)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    split = load(images=True, data={"path": str(path), "eval_fraction": 0.25})
    assert {index // 5 for index in split.held_out.indices}.isdisjoint(
        index // 5 for index in split.train.indices
    )
    assert len(split.held_out) == 5


def test_a_text_only_model_and_images(tmp_path: Path):
    path = write(tmp_path / "rows.jsonl", 2, image="a.png")
    with pytest.raises(DatasetError, match="it would learn to answer blindly"):
        load(data={"path": str(path)})
    copied = write(tmp_path / "copied.jsonl", 2, text="copied 0")
    with pytest.raises(RowError, match="is the answer itself"):
        load(data={"path": str(copied)}).train[0]
    answered = write(tmp_path / "text.jsonl", 2, text="A long text with text 1 in it.")
    assert load(data={"path": str(answered)}).train[0].document is not None


def test_a_text_that_is_the_target_is_not_shown(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"question": "?", "text": "Red."}))
    example = load(data={"path": str(path)}).train[0]
    assert (example.document, example.answer) == (None, "Red.")
    assert example.question[0]["content"] == [{"type": "text", "text": "?"}]


def test_a_model_that_reads_images_needs_them(tmp_path: Path):
    path = write(tmp_path / "rows.jsonl", 2)
    with pytest.raises(DatasetError, match=r"no column of .* holds images; the dataset"):
        load(images=True, data={"path": str(path)})


@pytest.mark.parametrize(
    ("sections", "key", "message"),
    [
        ({"datasets": [{"path": "a"}], "data": {"path": "b"}}, "datasets", "exclusive"),
        ({"datasets": [{"path": "a"}, {"split": "b"}]}, "datasets", "number 2 has no path"),
        (
            {"datasets": [{"path": "a", "weight": 1.0}, {"path": "b"}]},
            "datasets",
            "some have a weight",
        ),
        ({"datasets": [{"path": "a", "weight": 0.0}]}, "datasets.1.weight", "a number > 0"),
        ({"datasets": [{"path": "a", "colunm": "b"}]}, "datasets.1.colunm", "is not a setting"),
        (
            {"data": {"path": "a", "eval_fraction": 0.1, "eval_path": "b"}},
            "data.eval_fraction",
            "held out although",
        ),
        ({"data": {"path": "a", "eval_split": "train"}}, "data.eval_split", "those that are"),
        ({"data": {"eval_split": "x"}, "datasets": [{"path": "a"}]}, "data.eval_split", "a path"),
    ],
)
def test_rules(sections: dict[str, Any], key: str, message: str):
    values = {"kind": "training", "model": {"name_or_path": "builtin:tiny-vlm"}, **sections}
    (problem,) = check_values(values).problems
    assert problem.key == key
    assert message in problem.message


def test_evaluation_rows_allow_evaluation_steps():
    data = {"path": "a", "eval_split": "test"}
    values = {
        "kind": "training",
        "model": {"name_or_path": "builtin:tiny-vlm"},
        "data": data,
        "training": {"eval_steps": 5},
    }
    assert check_values(values).problems == ()
