"""A search is checked before anything starts, and every problem is listed at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from deepsynth_tui.cli import app
from deepsynth_tui.config.load_search import load_search
from deepsynth_tui.config.problems import ConfigError
from deepsynth_tui.runs.directory import list_runs
from deepsynth_tui.search.folder import SearchError, create_folder, find_folder, search_lock
from deepsynth_tui.search.prepare import prepare
from deepsynth_tui.search.space import Choices, Range, grid, grid_points, spread
from tests.search.conftest import BASE, Write, create


def problems(file: Path, base: str = BASE) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        prepare(load_search(file), file, base_text=base)
    return [f"{problem.key}: {problem.message}" for problem in caught.value.problems]


def test_every_problem_is_listed_at_once(write_search: Write):
    file = write_search(
        method="grid",
        metric="eval_cer",
        max_cost=1.0,
        parameters={
            "lora.rr": [8],
            "lora.r": [0, 8],
            "training.learning_rate": {"low": -1.0, "high": 1.0, "logg": True},
            "training.weight_decay": {"low": 0.1, "high": 0.01},
            "training.warmup_steps": {"low": 0.0, "high": 10.0, "log": True},
            "model.name_or_path": {"low": 1, "high": 2},
            "training.seed": {"low": 0.5, "high": 2},
            "lora.lora_dropout": [],
            "lora.lora_alpha": [16, 16],
            "output.dir": ["a", "b"],
        },
    )
    base = BASE.replace("learning_rate", "generate_eval_samples: 0, learning_rate")
    found = problems(file, base)
    for expected in (
        "parameters.lora.rr: is not a setting of a training run",
        "parameters.lora.r: must be a whole number >= 1, got 0",
        "parameters.training.learning_rate.logg: is not a key of a range",
        "parameters.training.weight_decay: needs numbers low and high, low below high",
        "parameters.training.warmup_steps.low: must be above 0 for log: true",
        "parameters.model.name_or_path: is no number, so it has no range",
        "parameters.training.seed: is an integer, so low and high must be",
        "parameters.lora.lora_dropout: has no values",
        "parameters.lora.lora_alpha: has a value more than once",
        "parameters.output.dir: cannot be searched",
        "metric: the base generates no answers, so no eval_cer",
        "max_cost: no price of this machine's GPU is known",
    ):
        assert expected in found


def test_a_metric_needs_held_out_rows(write_search: Write):
    base = BASE.replace(", eval_fraction: 0.1", "")
    assert problems(write_search(), base) == ["metric: the base holds no rows out, so no eval_loss"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: search\n", "base: no training run chosen"),
        ("kind: search\nbase: nothing.yaml\n", "nothing.yaml: cannot be read"),
        ("kind: search\nbase: own.yaml\n", "kind: is search"),
        (
            "kind: search\nmetrik: x\n",
            ":2: metrik: is not a setting (did you mean metric?)",
        ),
        ("kind: search\nmetric: loss\n", "metric: must be one of eval_loss"),
        ("kind: training\nbase: x\n", "kind: is training"),
        ("kind: [\n", "invalid YAML"),
    ],
)
def test_bad_files(tmp_path: Path, home: Path, text: str, message: str):
    file = tmp_path / "search.yaml"
    file.write_text(text)
    (tmp_path / "own.yaml").write_text("kind: search\n")
    result = CliRunner().invoke(app, ["search", str(file)])
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list_runs(home)


def test_schema_of_a_search():
    assert '"pruner"' in CliRunner().invoke(app, ["schema", "search"]).stdout


def test_the_default_is_the_learning_rate_about_that_of_the_base(write_search: Write):
    file = write_search()
    prepared = prepare(load_search(file), file, base_text=BASE)
    assert prepared.space == {"training.learning_rate": Range(5e-4, 5e-2, log=True)}
    assert prepared.trials == 8
    assert prepared.overrides == ("training.eval_steps=4",)


def test_folder_that_exists_or_is_half_written(home: Path, tmp_path: Path, write_search: Write):
    file = write_search(trials=2)
    config = load_search(file)
    folder = tmp_path / "s"
    with pytest.raises(SearchError, match="holds no search"):
        find_folder(home, config)
    folder.mkdir()
    (folder / "base.yaml").write_text("")
    with pytest.raises(SearchError, match="is not empty"):
        create_folder(home, config, BASE)
    with pytest.raises(SearchError, match="holds no search"):
        find_folder(home, config)
    (folder / "base.yaml").unlink()
    made = create(home, file)
    with pytest.raises(SearchError, match="holds a search already"):
        create_folder(home, config, BASE)
    with search_lock(made), pytest.raises(SearchError, match="is running"), search_lock(made):
        pass
    assert find_folder(home, load_search(write_search(trials=5))).path == folder
    with pytest.raises(SearchError, match="other settings: metric"):
        find_folder(home, load_search(write_search(metric="eval_cer")))
    (folder / "search.json").write_text("{")
    with pytest.raises(SearchError, match="cannot be read"):
        find_folder(home, config)


def test_grids():
    space = {
        "lr": Range(1e-4, 1e-2, log=True),
        "r": Choices((8, 16)),
        "n": Range(1, 4, integer=True),
    }
    assert grid_points(space, None) == {"lr": 0, "r": 2, "n": 0}
    assert grid_points({"lr": space["lr"], "r": space["r"]}, 6) == {"lr": 3, "r": 2}
    assert Range(1e-4, 1e-2, log=True).grid(3) == [1e-4, 1e-3, 1e-2]
    assert Range(1, 4, integer=True).grid(9) == [1, 2, 3, 4]
    assert len(grid(space, {"lr": 3, "r": 2, "n": 4})) == 24
    first = spread(space, 4)
    assert len({tuple(values.values()) for values in first}) == 4
    assert all(1e-4 <= values["lr"] <= 1e-2 for values in first)
