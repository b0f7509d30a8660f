"""Settings of runs, and the last run that another can be compared with."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepsynth_tui.runs.directory import RunDirectory, read_identity
from deepsynth_tui.tui.run_view.comparable import last_comparable_run
from deepsynth_tui.tui.run_view.run_settings import RunSettings, read_run_settings
from tests.pilot.recorded_runs import append, new_run, training

TEXT = "kind: training\nmodel: {{name_or_path: {model}}}\nlora: {{r: 16}}\ndata: {{path: {data}}}\n"


def run(home: Path, name: str, later: float, model: str = "a/b", data: str = "/d") -> RunDirectory:
    made = new_run(home, name, later=later, config_text=TEXT.format(model=model, data=data))
    append(made, list(training(5)))
    return made


def test_the_newest_earlier_run_of_the_same_model_and_dataset(home: Path) -> None:
    run(home, "oldest", 0)
    run(home, "last", 10)
    run(home, "other model", 20, model="c/d")
    run(home, "other data", 30, data="/e")
    new_run(home, "without a loss", later=40, config_text=TEXT.format(model="a/b", data="/d"))
    this = run(home, "this", 50)
    run(home, "later", 60)
    reference = last_comparable_run(home, this, read_identity(this))
    assert reference is not None
    assert reference.name == "last"
    assert [step for step, _ in reference.loss] == [1, 2, 3, 4, 5]


def test_there_may_be_none(home: Path) -> None:
    this = run(home, "this", 0)
    assert last_comparable_run(home, this, read_identity(this)) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            TEXT.format(model="Qwen/Qwen3-VL-2B-Instruct", data="/data/invoices/"),
            ("Qwen3-VL-2B-Instruct", "r16", "invoices"),
        ),
        (
            "lora: {r: 8, use_dora: true}\nquantization: {enabled: true, bits: 8}\n",
            ("", "r8 DoRA 8-bit", ""),
        ),
        ("kind: training\nlora: {enabled: false}\n", ("", "full", "")),
        ("kind: dataset\nsource: {path: builtin:papers}\n", ("", "", "papers")),
        ("kind: [", ("", "", "")),
        ("- a list\n", ("", "", "")),
    ],
)
def test_settings_are_read_from_the_configuration(
    home: Path, text: str, expected: tuple[str, str, str]
) -> None:
    settings = read_run_settings(new_run(home, "x", config_text=text))
    assert (settings.model, settings.method, settings.dataset) == expected


def test_a_missing_configuration_has_no_settings(tmp_path: Path) -> None:
    assert read_run_settings(RunDirectory("x", tmp_path)) == RunSettings()
