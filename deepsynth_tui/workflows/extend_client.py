"""Train a run further from the interface, see `extend_server`."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.child_process import ask

SERVER = "deepsynth_tui.workflows.extend_server"
TIMEOUT_SECONDS = 60.0


def extend_run(home: Path, ref: str, more_steps: int) -> list[str]:
    """Train the run `ref` for so many steps from its last checkpoint; return what will happen.

    Blocks for a second. Raises `ChildError`.
    """
    question = {"home": str(home), "ref": ref, "more_steps": more_steps}
    answer = ask(
        SERVER,
        question,
        subject="The run",
        timeout=TIMEOUT_SECONDS,
        timeout_advice="Use `train RUN --more-steps N` in a shell.",
    )
    return list(answer["lines"])
