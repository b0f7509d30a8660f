"""Our training job with the clock of the benchmarks: `timed_job.py RUN_PATH`."""

from __future__ import annotations

import sys

from deepsynth_tui.training.environment import disable_torch_compile
from deepsynth_tui.training.job import main

disable_torch_compile()

from tests.benchmarks import step_clock  # noqa: E402 - imports torch

step_clock.install()
code = main(sys.argv[1:])
if code:
    sys.exit(code)
step_clock.print_figures()
