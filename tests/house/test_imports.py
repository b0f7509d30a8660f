"""Who imports whom: the contracts in pyproject.toml, and what really lands in a process.

A static graph cannot see what a deferred import brings, so each entrance is opened in a process
of its own and its `sys.modules` are looked at.
"""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "transformers", "peft", "bitsandbytes", "datasets", "accelerate"}
ARRAYS = {"numpy", "PIL", "pyarrow", "pandas"}
SCREEN = {"textual", "textual_plotext"}


def modules_of(package: str) -> list[str]:
    path = import_module(package).__path__
    return [package, *(found.name for found in pkgutil.walk_packages(path, f"{package}."))]


def loaded_by(statement: str) -> set[str]:
    code = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_import_contracts_hold():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_runs_is_standard_library_only():
    loaded = loaded_by("import " + ", ".join(modules_of("deepsynth_tui.runs")))
    before = loaded_by("pass")
    outside = loaded - before - sys.stdlib_module_names - {"deepsynth_tui"}
    assert not {name for name in outside if not name.startswith("_")}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"]])
def test_help_loads_nothing_but_the_command_line(arguments: list[str]):
    statement = (
        "from deepsynth_tui.cli import app\n"
        "from contextlib import suppress, redirect_stdout\nimport io\n"
        f"with suppress(SystemExit), redirect_stdout(io.StringIO()): app({arguments!r})"
    )
    assert not loaded_by(statement) & (HEAVY | ARRAYS | SCREEN | {"yaml"})


def test_config_loads_no_library_that_computes_or_draws():
    loaded = loaded_by("import " + ", ".join(modules_of("deepsynth_tui.config")))
    assert not loaded & (HEAVY | ARRAYS | SCREEN)


def test_the_interface_loads_no_library_that_computes():
    loaded = loaded_by("import " + ", ".join(modules_of("deepsynth_tui.tui")))
    assert not loaded & (HEAVY | ARRAYS)


@pytest.mark.parametrize(
    "room",
    ["dataset", "training", "builtin", "adapters", "estimate", "models", "machine", "workflows"],
)
def test_jobs_do_not_load_the_interface(room: str):
    loaded = loaded_by("import " + ", ".join(modules_of(f"deepsynth_tui.{room}")))
    assert not loaded & SCREEN
