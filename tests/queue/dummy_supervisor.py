"""The supervisor of the queue, with jobs that train nothing: `python -m ... HOME`."""

from __future__ import annotations

import sys

from deepsynth_tui.queue import supervisor
from deepsynth_tui.runs.launch import JOBS

if __name__ == "__main__":
    JOBS["training"] = "tests.queue.dummy_job"
    supervisor.POLL_SECONDS = 0.02
    sys.exit(supervisor.main())
