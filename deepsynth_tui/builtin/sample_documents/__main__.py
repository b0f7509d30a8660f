"""Write `papers.jsonl` again: `python -m deepsynth_tui.builtin.sample_documents`."""

from __future__ import annotations

from deepsynth_tui.builtin.sample_documents.generate import FILE, jsonl

if __name__ == "__main__":
    FILE.write_text(jsonl(), encoding="utf-8")
