"""No module grows into two."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAX_LINES = 500


def test_no_module_has_more_than_500_lines():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / "deepsynth_tui").rglob("*.py")
    }
    assert not {path: lines for path, lines in lengths.items() if lines > MAX_LINES}
