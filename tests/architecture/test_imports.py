"""What ends up in `sys.modules` of a process.

`.ci/check` checks the static import contracts of pyproject.toml. They cannot tell a deferred import
from an eager one, so these tests import each package in a process of its own.
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
    return [package, *(module.name for module in pkgutil.walk_packages(path, f"{package}."))]


def loaded_by(statement: str) -> set[str]:
    code = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert process.returncode == 0, process.stderr
    return {name.partition(".")[0] for name in json.loads(process.stdout.splitlines()[-1])}


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


@pytest.mark.parametrize("package", ["cli", "machine", "models", "workflows"])
def test_no_torch_without_a_job(package: str):
    loaded = loaded_by("import " + ", ".join(modules_of(f"deepsynth_tui.{package}")))
    assert not loaded & HEAVY


@pytest.mark.parametrize("package", ["config", "tui"])
def test_no_torch_and_no_arrays_at_start_up(package: str):
    loaded = loaded_by("import " + ", ".join(modules_of(f"deepsynth_tui.{package}")))
    assert not loaded & (HEAVY | ARRAYS)


@pytest.mark.parametrize(
    "package",
    [
        "adapters",
        "builtin",
        "config",
        "dataset",
        "estimate",
        "machine",
        "models",
        "training",
        "workflows",
    ],
)
def test_only_the_interface_loads_textual(package: str):
    loaded = loaded_by("import " + ", ".join(modules_of(f"deepsynth_tui.{package}")))
    assert not loaded & SCREEN


def test_the_command_line_starts_without_pydantic() -> None:
    """`--help` imports the declaration of every command, and none of what they do."""
    loaded = loaded_by("import deepsynth_tui.cli")
    assert not loaded & {"pydantic", "textual", "torch", "yaml"}
