"""Mixtures of several sources."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.source import MixedSource
from deepsynth_tui.dataset.errors import DatasetError, SourceError
from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.reading.mixture import Mixture, open_documents, source_names
from deepsynth_tui.dataset.reading.sources import Document
from tests.dataset.recorder import Recorder
from tests.dataset.writing.small_datasets import TINY, files


def lines(path: Path, count: int, **columns: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    rows = ({"text": f"{path.stem} {n}.", **columns} for n in range(count))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def config(*sources: dict[str, Any], **rest: Any) -> DatasetConfig:
    return DatasetConfig.model_validate({"sources": list(sources), "page": TINY, **rest})


def read(*sources: dict[str, Any], **rest: Any) -> list[Document]:
    mixture = open_documents(config(*sources, **rest))
    documents = list(mixture.documents())
    assert isinstance(mixture, Mixture)
    assert mixture.count() == len(documents)
    return documents


def test_documents_are_mixed_by_weight(tmp_path: Path):
    sources = [
        {"path": str(lines(tmp_path / f"{name}.jsonl", 2000)), "weight": weight}
        for name, weight in (("a", 1), ("b", 3), ("c", 0.5))
    ]
    counts = Counter(document.text[0] for document in read(*sources)[:2000])
    for name, share in (("a", 1 / 4.5), ("b", 3 / 4.5), ("c", 0.5 / 4.5)):
        assert counts[name] / 2000 == pytest.approx(share, abs=0.03)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=4), st.integers(0, 2**32))
def test_every_document_occurs_once_in_the_order_of_its_source(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], seed: int
):
    folder = tmp_path_factory.mktemp("mixed")
    sources = []
    for number, count in enumerate(counts):
        path = folder / f"s{number}"
        path.mkdir()
        (path / "no.txt").write_text("")
        for n in range(count):
            (path / f"{n:02}.txt").write_text(f"{n}")
        sources.append({"path": str(path), "weight": number + 1})
    documents = read(*sources, seed=seed)
    for number, count in enumerate(counts):
        own = [d.source_id for d in documents if d.source_id.startswith(f"s{number}:")]
        assert own == [*(f"s{number}:{n:02}.txt" for n in range(count)), f"s{number}:no.txt"]
    assert documents == read(*sources, seed=seed)


def test_the_seed_determines_the_order(tmp_path: Path):
    sources = [{"path": str(lines(tmp_path / f"{name}.jsonl", 30))} for name in "ab"]
    first, again, other = (read(*sources, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert sorted(map(repr, first)) == sorted(map(repr, other))


def test_ids_are_prefixed_with_the_source(tmp_path: Path):
    first = lines(tmp_path / "x" / "part.jsonl", 1)
    second = lines(tmp_path / "y" / "part.jsonl", 1, id="7")
    source_ids = {d.source_id for d in read({"path": str(first)}, {"path": str(second)})}
    assert source_ids == {"x/part.jsonl:1", "y/part.jsonl:7"}


def test_source_names_are_as_short_as_possible():
    paths = ["/d/a.csv", "/e/a.csv", "/e/b.csv", "wiki/en", "wiki/en", "builtin:sample"]
    assert source_names([MixedSource(path=path) for path in paths]) == (
        "d/a.csv",
        "e/a.csv",
        "b.csv",
        "wiki/en",
        "wiki/en#2",
        "builtin:sample",
    )


def test_each_source_has_its_own_columns_and_limit(tmp_path: Path):
    first = lines(tmp_path / "a.jsonl", 5, summary="s")
    second = tmp_path / "b.csv"
    second.write_text("body,title\nhello,t\n")
    documents = read(
        {"path": str(first), "target_column": "summary", "max_samples": 2},
        {"path": str(second), "text_column": "title"},
    )
    assert sorted((document.text, document.target) for document in documents) == [
        ("a 0.", "s"),
        ("a 1.", "s"),
        ("t", None),
    ]


def test_errors_name_the_source(tmp_path: Path):
    good = str(lines(tmp_path / "a.jsonl", 1))
    with pytest.raises(SourceError, match=r"b\.csv") as missing:
        read({"path": good}, {"path": str(tmp_path / "b.csv")})
    assert missing.value.key == "sources.2.path"
    with pytest.raises(DatasetError, match=r"a\.jsonl: there is no column 'x'") as column:
        read({"path": good, "text_column": "x"})
    assert column.value.key == "sources.1.text_column"
    with pytest.raises(DatasetError, match=r"a\.jsonl: there is no column 'lang'") as named:
        read({"path": good}, instruction="In {lang}:")
    assert named.value.key == "instruction"


def test_duplicates_are_found_across_sources_and_the_result_is_the_same_with_two_processes(
    tmp_path: Path,
):
    first = lines(tmp_path / "x" / "part.jsonl", 20)
    second = lines(tmp_path / "y" / "part.jsonl", 25)
    trees = []
    for num_proc in (1, 2):
        dataset_config = config(
            {"path": str(first)},
            {"path": str(second), "weight": 2},
            flaws={"duplicates": "drop"},
            instructions={"Read.": 1, "Say what it says.": 1},
            num_proc=num_proc,
            output={"shard_size": 7},
        )
        listener = Recorder()
        generate(dataset_config, tmp_path / f"out{num_proc}", listener)
        trees.append(files(tmp_path / f"out{num_proc}"))
        assert "skipped 20 of 45 documents, came before" in "".join(listener.warnings)
    assert trees[0] == trees[1]


def test_the_same_text_with_another_question_is_no_duplicate(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    rows = [{"text": "a text", "question": q, "answer": "yes"} for q in ("One?", "Two?", "One?")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset_config = DatasetConfig.model_validate(
        {
            "source": {"path": str(path), "target_column": "answer"},
            "instruction": "{question}",
            "page": TINY,
            "flaws": {"duplicates": "drop"},
        }
    )
    listener = Recorder()
    generate(dataset_config, tmp_path / "out", listener)
    assert listener.warnings == ["skipped 1 of 3 documents, came before: a.jsonl:3"]
