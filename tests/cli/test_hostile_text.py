"""What a file, a folder or an argument is called does nothing to the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deepsynth_tui.cli import app
from deepsynth_tui.machine import nvml
from deepsynth_tui.machine.nvml import Device, Probe
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.terminal_text import is_harmless

HOSTILE = "\x1b]52;c;aGk=\x07\x1b]8;;http://e\x1b\\x\x9b2Jy\u202ez\u2066\u200b\x85"


def output(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.stdout + result.stderr


def shows_only_text(printed: str) -> bool:
    return bool(printed.strip()) and all(map(is_harmless, printed.splitlines()))


@pytest.fixture
def hostile(home: Path) -> RunDirectory:
    run = create_run(home, kind=f"training{HOSTILE}", name=f"run{HOSTILE}", config_text="")
    entry = run.path.with_name(f"id{HOSTILE}".replace("/", ""))
    run.path.rename(entry)
    run = RunDirectory(entry.name, entry)
    run.console.write_text(f"log{HOSTILE}\n")
    return run


def test_runs_logs_and_stop(hostile: RunDirectory):
    printed = output("runs")
    assert shows_only_text(printed)
    assert printed.startswith("idxyz")
    assert shows_only_text(output("logs", hostile.id))
    assert shows_only_text(output("stop", hostile.id))
    assert shows_only_text(output("stop", f"no such{HOSTILE}"))


def test_json_escapes(hostile: RunDirectory):
    printed = output("runs", "--json")
    assert printed.isascii()
    assert shows_only_text(printed)
    (listed,) = json.loads(printed)
    assert listed["name"] == f"run{HOSTILE}"


def test_configuration_errors(tmp_path: Path):
    text = json.dumps({"kind": "training", "lora": {f"r{HOSTILE}": 1, "r": HOSTILE}})
    config = tmp_path / f"c{HOSTILE.replace('/', '')}.yaml"
    config.write_text(text)
    printed = output("train", str(config))
    assert "is not a setting" in printed
    assert shows_only_text(printed)
    assert shows_only_text(output("train", str(tmp_path / HOSTILE.replace("/", ""))))
    assert shows_only_text(output("estimate", str(config), "--set", HOSTILE))
    assert shows_only_text(output("schema", HOSTILE))
    assert shows_only_text(output("presets", HOSTILE))


def test_name_of_a_gpu(monkeypatch: pytest.MonkeyPatch):
    gpu = Device(0, f"GPU{HOSTILE}", "GPU-1", 2**34, 2**34, 0, None, None)
    monkeypatch.setattr(nvml, "probe", lambda: Probe((gpu,)))
    assert shows_only_text(output("gpus"))
    assert output("gpus", "--json").isascii()


@pytest.mark.parametrize(
    "text",
    [
        "a0: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{n}: &a [{', '.join(['*a'] * 9)}]\n" for n in range(1, 9)),
        "kind: training\nlora: &a {r: *a}\n",
        "kind: training\nlora: {r: " + "7" * 6000 + "}\n",
        "kind: " + "[" * 3000,
        "kind: training\nlora: {r: !!timestamp x}\n",
    ],
    ids=["aliases", "recursion", "digits", "nesting", "tag"],
)
def test_hostile_yaml_is_one_line_and_bad_input(tmp_path: Path, text: str):
    config = tmp_path / "run.yaml"
    config.write_text(text)
    for command in ("train", "generate", "estimate"):
        result = CliRunner().invoke(app, [command, str(config)])
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"{config}:")
