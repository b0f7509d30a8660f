"""A run of two ranks that train nothing: `python dummy_launcher.py RUN_PATH BEHAVIOUR`."""

from __future__ import annotations

import sys
from pathlib import Path

from deepsynth_tui.runs.job import run_job
from deepsynth_tui.training.failures import explain
from deepsynth_tui.training.ranks.launcher import run_ranks

RANK = str(Path(__file__).with_name("dummy_rank.py"))

if __name__ == "__main__":
    path, behaviour = sys.argv[1:]
    code = run_job(
        Path(path),
        lambda job: run_ranks(job, 2, resume=False, command=[sys.executable, RANK, behaviour]),
        explain=explain,
        heartbeat_seconds=0.1,
    )
    assert "torch" not in sys.modules
    sys.exit(code)
