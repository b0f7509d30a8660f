"""`python -m deepsynth_tui.builtin.papers`: write `papers.jsonl` again, the same each time."""

from __future__ import annotations

from deepsynth_tui.builtin.papers.writing import FILE, jsonl

if __name__ == "__main__":
    FILE.write_text(jsonl(), encoding="utf-8")
