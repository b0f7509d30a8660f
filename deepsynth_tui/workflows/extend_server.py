"""Trains a run further, in a process of its own: the interface may not import what reads
checkpoints. See `child_process`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from deepsynth_tui.child_process import serve
from deepsynth_tui.workflows import extend


def answer(question: Any) -> Any:
    """Start the run `ref` under `home` for `more_steps` steps, and return what will happen."""
    plan = extend.plan(Path(question["home"]), question["ref"], more_steps=question["more_steps"])
    extend.start(plan)
    return {"lines": plan.lines}


def main() -> int:
    """Answer one question."""
    return serve(answer)


if __name__ == "__main__":
    sys.exit(main())
