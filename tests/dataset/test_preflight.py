"""Findings about a dataset configuration before a run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.load import check_values
from deepsynth_tui.dataset.look_at import look_at_documents
from deepsynth_tui.dataset.preflight import check, inspect
from deepsynth_tui.dataset.reading.sources import open_source
from deepsynth_tui.dataset.writing import disk_space


def config(**sections: Any) -> DatasetConfig:
    return DatasetConfig.model_validate({"source": {"path": "builtin:sample"}, **sections})


def test_a_valid_configuration_has_no_problems():
    findings = inspect(config())
    assert findings.problems == ()
    assert findings.columns == ("id", "title", "language", "text", "summary")
    assert findings.documents == 44
    assert findings.first is not None
    assert findings.first.text.startswith("HARBOUR LANE BAKERY")
    assert [notice.key for notice in findings.notices] == ["source.text_column"]


def test_all_problems_are_reported_together(tmp_path: Path):
    (tmp_path / "old").write_text("a file")
    findings = inspect(
        config(
            source={"path": "builtin:sample", "text_column": "txt", "target_column": "sumary"},
            page={"font": "No Such Font", "margin": 1024},
            output={"dir": str(tmp_path / "old")},
        )
    )
    problems = {problem.key: problem for problem in findings.problems}
    assert set(problems) == {
        "source.text_column",
        "source.target_column",
        "page.font",
        "output.dir",
    }
    assert "Did you mean summary?" in problems["source.target_column"].hint
    assert "text" in findings.columns


def test_ray_is_not_installed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    (problem,) = check(config(engine="ray"))
    assert (problem.key, "deepsynth-tui[ray]" in problem.hint) == ("engine", True)


def test_output_folders_that_cannot_be_used(tmp_path: Path):
    (tmp_path / "a.txt").write_text("x")
    (problem,) = check(config(output={"dir": str(tmp_path)}))
    assert (problem.key, "is not empty" in problem.message) == ("output.dir", True)
    assert check(config(output={"dir": str(tmp_path / "new" / "run")})) == []
    (problem,) = check(config(output={"dir": "/proc/none/run"}))
    assert problem.key == "output.dir"


def test_page_without_room():
    (problem,) = check(config(page={"width": 64, "height": 64}))
    assert problem.key == "page.margin"


def test_missing_and_broken_files(tmp_path: Path):
    (problem,) = check(config(source={"path": str(tmp_path / "none.csv")}))
    assert problem.key == "source.path"
    broken = tmp_path / "a.jsonl"
    broken.write_text('{"text": "a"}\n' * 200 + "{")
    (problem,) = check(config(source={"path": str(broken)}, flaws={"bad_rows": "stop"}))
    assert problem.key == "flaws.bad_rows"
    assert "a.jsonl:201" in problem.message
    assert check(config(source={"path": str(broken)})) == []


def test_an_empty_text_column(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": ""}\n' * 3)
    (problem,) = check(config(source={"path": str(path)}))
    assert (problem.key, "empty" in problem.message) == ("source.text_column", True)


def test_first_document_longer_than_a_page(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("word " * 9000)
    source = {"path": str(path)}
    assert check(config(source=source)) == []
    (problem,) = check(config(source=source, on_overflow="error"))
    assert problem.key == "on_overflow"


def test_full_disk(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(disk_space, "RESERVE_BYTES", 1 << 62)
    (problem,) = check(config())
    assert problem.key == "output.dir"
    assert "GiB" in problem.message


def run(path: Path) -> tuple[dict[str, Any], set[str]]:
    code = (
        "import sys, json; from deepsynth_tui.dataset.preflight import main\n"
        "code = main(); print(json.dumps(sorted(sys.modules))); sys.exit(code)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    findings, modules = process.stdout.splitlines()
    return json.loads(findings), set(json.loads(modules))


def test_the_command_prints_json_and_imports_no_datasets(tmp_path: Path):
    path = tmp_path / "c.yaml"
    path.write_text("kind: dataset\nsource: {path: 'builtin:sample', text_column: nope}\n")
    findings, modules = run(path)
    assert [problem["key"] for problem in findings["problems"]] == ["source.text_column"]
    assert findings["columns"][:2] == ["id", "title"]
    assert not modules & {"datasets", "torch", "transformers", "pyarrow", "pandas"}
    path.write_text("kind: dataset\nsource: {path: 'builtin:sample'}\n")
    findings, modules = run(path)
    assert findings["problems"] == []
    assert findings["documents"] == 44
    assert findings["first"]["text"].startswith("HARBOUR")
    assert not modules & {"datasets", "torch", "transformers", "pyarrow", "pandas"}


def test_the_command_prints_problems_of_an_invalid_file(tmp_path: Path):
    path = tmp_path / "c.yaml"
    path.write_text("kind: dataset\npage: {prest: tiny}\n")
    findings, _ = run(path)
    assert any(problem["key"] == "page.prest" for problem in findings["problems"])
    assert findings["columns"] == []


def test_an_unreachable_hub_gives_a_hint(tmp_path: Path):
    path = tmp_path / "c.yaml"
    path.write_text("kind: dataset\nsource: {path: owner/no-such-dataset-here}\n")
    findings, _ = run(path)
    (problem,) = findings["problems"]
    assert problem["key"] == "source.path"
    assert "local file" in problem["message"]
    assert "local file" in problem["hint"]


def rows(path: Path, *values: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return str(path)


def test_columns_are_described_and_proposed_without_a_text_column(
    tmp_path: Path,
):
    path = rows(tmp_path / "a.jsonl", {"question": "Why?", "answer": "So.", "n": 1})
    findings = inspect(config(source={"path": path})).to_json()
    assert [problem["key"] for problem in findings["problems"]] == ["source.text_column"]
    (source,) = findings["sources"]
    assert source["path"] == path
    assert source["columns"][0] == {
        "name": "question",
        "kind": "text",
        "filled": 1.0,
        "mean_length": 4.0,
        "example": "Why?",
    }
    assert source["proposal"]["settings"] == {
        "source.text_column": "question",
        "source.target_column": "answer",
    }
    assert "'question' asks" in source["proposal"]["why"]


def test_a_proposal_is_a_valid_configuration(tmp_path: Path):
    path = rows(tmp_path / "a.jsonl", {"question": "Why?", "answer": "So.", "context": "Long."})
    (source,) = inspect(config(source={"path": path})).to_json()["sources"]
    settings = source["proposal"]["settings"]
    proposed = {key.removeprefix("source."): value for key, value in settings.items()}
    instruction = proposed.pop("instruction")
    assert instruction == "{question}"
    assert check(config(source={"path": path, **proposed}, instruction=instruction)) == []


def test_columns_of_the_instruction_are_checked(tmp_path: Path):
    path = rows(tmp_path / "a.jsonl", {"text": "a", "language": "fr"})
    assert check(config(source={"path": path}, instruction="In {language}:")) == []
    (problem,) = check(config(source={"path": path}, instructions={"In {langage}:": 1}))
    assert (problem.key, problem.hint) == (
        "instructions",
        "Did you mean language? Columns: text, language.",
    )


def test_problems_of_all_sources_are_reported_together(tmp_path: Path):
    path = rows(tmp_path / "a.jsonl", {"text": "a"})
    several = [{"path": path, "text_column": "txt"}, {"path": str(tmp_path / "no.csv")}]
    findings = inspect(DatasetConfig.model_validate({"sources": several}))
    assert [problem.key for problem in findings.problems] == [
        "sources.1.text_column",
        "sources.2.path",
    ]
    assert findings.problems[0].message.startswith(path)
    assert findings.columns == ("text",)


def test_documents_of_several_sources_are_added(tmp_path: Path):
    paths = [rows(tmp_path / f"{n}.jsonl", *[{"text": "a", f"c{n}": "x"}] * 3) for n in range(2)]
    several = [{"path": path} for path in paths]
    findings = inspect(DatasetConfig.model_validate({"sources": several}))
    assert (findings.problems, findings.documents) == ((), 6)
    assert findings.columns == ("text", "c0", "c1")
    assert [notice.key for notice in findings.notices] == [
        "sources.1.text_column",
        "sources.2.text_column",
    ]
    assert [source["path"] for source in findings.to_json()["sources"]] == paths


def test_an_unreadable_first_file_is_skipped(tmp_path: Path):
    (tmp_path / "a.pdf").write_bytes(b"no PDF")
    (tmp_path / "b.txt").write_text("readable")
    findings = inspect(config(source={"path": str(tmp_path)}))
    assert findings.problems == ()
    assert findings.first is not None
    assert findings.first.text == "readable"


def test_what_a_source_holds_and_leaves_out_is_said(tmp_path: Path):
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.png").write_bytes(b"")
    (source,) = inspect(config(source={"path": str(tmp_path)})).to_json()["sources"]
    assert source["contents"] == ["documents: 1 .txt", "not read: 1 .png"]
    assert source["left_out"] == {".png": 1}
    table = tmp_path / "a.csv"
    table.write_text("text;n\na;1\nb;2;3\n")
    findings = inspect(config(source={"path": str(table)}))
    assert findings.problems == ()
    assert findings.sources[0].contents == (
        "CSV: delimiter ';', quotes \", the first row names the columns (guessed)",
    )
    (bad,) = [notice for notice in findings.notices if notice.key == "flaws.bad_rows"]
    assert bad.message == (
        "1 of the first 2 documents cannot be read: a.csv:3: a CSV row with another number of "
        "fields: 3 fields where the header has 2"
    )
    (problem,) = check(config(source={"path": str(table)}, flaws={"bad_rows": "stop"}))
    assert problem.key == "flaws.bad_rows"


def test_documents_that_all_cannot_be_read_say_why(tmp_path: Path):
    (tmp_path / "a.txt").write_bytes(b"\xff")
    (problem,) = check(config(source={"path": str(tmp_path)}))
    assert "a.txt: text that is not UTF-8" in problem.message
    assert "source.encoding" in problem.hint


def test_every_row_of_a_small_table_is_looked_at(tmp_path: Path):
    file = tmp_path / "rows.jsonl"
    good = [json.dumps({"text": f"Letter {number}", "answer": "yes"}) for number in range(150)]
    file.write_text("\n".join([*good, '{"text": "", "answer": "x"}', "no JSON"]) + "\n")
    findings = inspect(config(source={"path": str(file), "text_column": "text"}))
    assert findings.problems == ()
    assert findings.to_json()["looked_at"] == {
        "documents": 152,
        "empty": 1,
        "bad": 1,
        "all": True,
    }
    (problem,) = check(
        config(source={"path": str(file), "text_column": "text"}, flaws={"empty": "stop"})
    )
    assert (problem.key, "1 of 152 documents" in problem.message) == ("flaws.empty", True)
    problems = check(
        config(source={"path": str(file), "text_column": "text"}, flaws={"bad_rows": "stop"})
    )
    assert [problem.key for problem in problems] == ["flaws.bad_rows"], "named once"


def test_a_look_that_takes_too_long_says_how_far_it_came():
    source = open_source(config().source)
    looked_at = look_at_documents(source, seconds=0)
    assert looked_at.documents == 1
    assert not looked_at.is_all
    assert looked_at.first is not None


def test_an_invalid_field_does_not_hide_problems_of_the_others():
    values = {
        "kind": "dataset",
        "source": {"path": "nowhere.csv"},
        "page": {"margin": "wide"},
    }
    result = check_values(values)
    assert [problem.key for problem in result.problems] == ["page.margin"]
    assert result.config is None
    assert isinstance(result.valid_part, DatasetConfig)
    assert result.valid_part.page.margin == 48
    assert [problem.key for problem in check(result.valid_part)] == ["source.path"]


def test_a_configuration_without_a_dataset_is_checked_all_the_same():
    result = check_values({"kind": "training"})
    assert [problem.key for problem in result.problems] == ["data.path"]
    assert result.valid_part is not None
