"""Adapters of the builtin model and its base are examined on pages that it reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from peft import PeftModel
from rapidfuzz.distance import Levenshtein
from transformers import AutoModelForImageTextToText
from typer.testing import CliRunner

from deepsynth_tui.builtin import TINY_VLM, locate
from deepsynth_tui.cli import app
from deepsynth_tui.runs.directory import RunDirectory
from tests.adapters.conftest import with_alpha
from tests.builtin.drawn_pages import TEXTS, png
from tests.builtin.plain_reading import read
from tests.training.small_datasets import paper, write

pytestmark = pytest.mark.slow

PAGES = ("Morvane Bakery\nTwo rye loaves 9.20", "Order 4411\nDue: 17.35", *TEXTS[:1])


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two documents that no adapter knows and one that was trained on, with what is on them."""
    rows = [paper(number, text, text) for number, text in enumerate(PAGES)]
    rows[0]["source_hash"], rows[1]["source_hash"], rows[2]["source_hash"] = "n0", "n1", "hash-0"
    return write(tmp_path_factory.mktemp("pages"), rows)


@pytest.fixture(scope="module")
def adapters(paid: RunDirectory, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return [
        paid.adapter,
        with_alpha(paid.adapter, folder / "weaker", 3),
        with_alpha(paid.adapter, folder / "zero", 0),
    ]


def exam(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["adapters", "exam", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_an_exam_equals_scores_computed_by_hand_and_goes_on_after_a_kill(
    adapters: list[Path], pages: Path, tmp_path: Path
) -> None:
    arguments = [*map(str, adapters), "--data", str(pages), "--base", "--output"]
    code, output, errors = exam(*arguments, str(tmp_path / "exam"), "--json")
    assert code == 0, errors
    result = json.loads(output)
    assert result["rows_examined"] == 2
    assert any("1 of 3 rows are left out" in note for note in result["notes"])

    names = ["base", *map(str, adapters)]
    assert list(result["scores"]) == names
    texts = PAGES[:2]
    for name in names:
        model = AutoModelForImageTextToText.from_pretrained(locate(TINY_VLM), dtype="float32")
        if name != "base":
            model = PeftModel.from_pretrained(model, name)
        model.eval()
        plain = []
        for number, text in enumerate(texts):
            page = tmp_path / f"{number}.png"
            page.write_bytes(png(text))
            plain.append(read(model, locate(TINY_VLM), page, "Read.").strip())
        by_row = {row["index"]: row["answers"][name] for row in result["rows"]}
        assert [by_row[n]["output"].strip() for n in range(2)] == plain
        errors_by_hand = sum(map(Levenshtein.distance, texts, plain))
        scores = result["scores"][name]
        assert scores["cer"]["value"] == pytest.approx(errors_by_hand / sum(map(len, texts)))
        assert scores["exact_match"]["value"] == sum(map(str.__eq__, texts, plain)) / 2
    assert result["scores"]["base"] == result["scores"][str(adapters[2])]
    paid_answers = [row["answers"][str(adapters[0])]["output"] for row in result["rows"]]
    assert paid_answers == ["paid", "paid"]

    # A kill after the first answer of the base, and half a line of the next.
    answers = tmp_path / "exam" / "answers"
    key = next(
        json.loads(file.read_text())["key"]
        for file in answers.glob("*.json")
        if json.loads(file.read_text())["name"] == "base"
    )
    file = answers / f"{key}.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[: whole.index(b"\n") + 9])
    code, output, _ = exam(*arguments, str(tmp_path / "exam"), "--json")
    assert code == 0
    assert json.loads(output)["scores"] == result["scores"]
    assert file.read_bytes() == whole


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"lineage": {"base": {"name": "{}/gone", "path": "{}/gone"}}}, "gone"),
        ({"r": 8}, "do not fit"),
    ],
)
def test_an_adapter_that_does_not_fit_its_base_is_refused(
    paid: RunDirectory, pages: Path, tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    folder = with_alpha(paid.adapter, tmp_path / "broken", 8)
    if "r" in change:
        file = folder / "adapter_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | change))
    else:
        file = folder / "deepsynth.json"
        lineage = json.loads(file.read_text())
        lineage["config"]["model"]["name_or_path"] = str(tmp_path / "gone")
        file.write_text(json.dumps(lineage))
    code, output, errors = exam(str(folder), "--data", str(pages), "--output", str(tmp_path / "e"))
    assert (code, output) == (1, "")
    assert "Traceback" not in errors
    assert (reason if reason == "gone" else "does not fit") in errors


def test_rows_that_were_all_trained_on_are_no_exam(paid: RunDirectory, papers: Path) -> None:
    code, _, errors = exam(str(paid.adapter), "--data", str(papers), "--limit", "2")
    assert code == 1
    assert "none of the 4 rows" in errors


def test_a_killed_exam_leaves_whole_lines(paid: RunDirectory, pages: Path, tmp_path: Path) -> None:
    """SIGKILL at the first answer; the same command goes on and loses no answer."""
    command = [sys.executable, "-m", "deepsynth_tui", "adapters", "exam", str(paid.adapter)]
    command += ["--data", str(pages), "--base", "--output", str(tmp_path / "exam"), "--json"]
    command += ["--batch-size", "1"]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ, text=True
    )
    assert child.stderr is not None
    while "1 of 2 rows" not in child.stderr.readline():
        assert child.poll() is None
    child.kill()
    child.communicate()
    result = subprocess.run(command, capture_output=True, check=False, text=True)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert [set(row["answers"]) for row in report["rows"]] == [{"base", str(paid.adapter)}] * 2
