"""There is one exit to the terminal for commands and one for the interface."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import deepsynth_tui

PACKAGE = Path(deepsynth_tui.__file__).parent
EXITS = {"cli/reporting.py", "tui/terminal_console.py"}
"""Modules that may print. Jobs and child processes print into files and pipes."""
PRINTING = [
    path
    for room in ("cli", "workflows", "tui")
    for path in sorted((PACKAGE / room).rglob("*.py"))
    if path.relative_to(PACKAGE).as_posix() not in EXITS
]


def calls(path: Path) -> Iterator[tuple[int, str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func), node


@pytest.mark.parametrize("path", PRINTING, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_nothing_else_prints(path: Path):
    printing = ("print", "typer.echo", "typer.secho", "click.echo", "sys.stdout.write", "Console")
    found = [f"line {line}: {name}" for line, name, _ in calls(path) if name in printing]
    assert found == []


def test_no_notification_asks_for_markup():
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in sorted((PACKAGE / "tui").rglob("*.py"))
        for line, name, call in calls(path)
        if name.endswith(".notify")
        for keyword in call.keywords
        if keyword.arg == "markup" and ast.unparse(keyword.value) != "False"
    ]
    assert found == []
