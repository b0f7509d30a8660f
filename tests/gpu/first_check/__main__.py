"""Run the checks: `python -m tests.gpu.first_check [GROUP ...]`.

Prints a line for each check, and writes them as JSON lines with the tracebacks to `--out`. Each
group runs in a process of its own, because a device-side assert breaks all that follows in its
process; the most telling groups come first. Takes at most `--minutes`: groups that do not fit are
named as left out. Downloads nothing. Exits with 1 if a check fails or a group is left out.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.gpu.first_check.report import Report

MINUTES = 9.5
LEAST_SECONDS = 20
"""A group is left out if less time than this remains."""


@dataclass(frozen=True, slots=True)
class Group:
    """A module of this package, its function, and the most seconds that it may take.

    The seconds are those of `MINUTES`; with more minutes, each group may take more.
    """

    module: str
    function: str
    seconds: int

    def load(self) -> Callable[[Report, Path], None]:
        """Import the function."""
        from importlib import import_module

        module = import_module(f"tests.gpu.first_check.{self.module}")
        return getattr(module, self.function)


# The most telling first.
GROUPS: Mapping[str, Group] = {
    "kernels": Group("kernels", "check_kernels", 45),
    "parity": Group("parity", "check_parity", 110),
    "features": Group("jobs", "check_features", 60),
    "deepseek": Group("speed", "check_deepseek", 200),
    "8bit": Group("parity", "check_eight_bits", 70),
    "jobs": Group("jobs", "check_jobs", 100),
    "memory": Group("jobs", "check_out_of_memory", 40),
    "resume": Group("jobs", "check_resume", 60),
    "float16": Group("jobs", "check_float16", 60),
    "qwen": Group("speed", "check_qwen", 150),
}
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TORCHDYNAMO_DISABLE": "1",
}


def run_groups(names: list[str], out: Path, minutes: float) -> bool:
    """Run the groups one after the other and return whether all ended well."""
    end = time.monotonic() + 60 * minutes
    ended_well = True
    for name in names:
        left = end - time.monotonic()
        if left < LEAST_SECONDS:
            _print(f"LEFT OUT {name}: no time left")
            ended_well = False
            continue
        _print(f"== {name}")
        code = run_group(name, out, min(left, GROUPS[name].seconds * minutes / MINUTES))
        if code:
            reason = "out of time" if code < 0 else f"exit status {code}"
            _print(f"FAIL group {name}: {reason}; see {out / 'stderr.txt'}")
        ended_well &= code == 0
    return ended_well


def run_group(name: str, out: Path, seconds: float) -> int:
    """Run a group in its own process and return its exit status, -1 if it was out of time."""
    command = [sys.executable, "-m", "tests.gpu.first_check", "--here", "--out", str(out), name]
    with (
        (out / "stderr.txt").open("a") as stderr,
        subprocess.Popen(
            command, stderr=stderr, env=ENVIRONMENT | os.environ, start_new_session=True
        ) as process,
    ):
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with the jobs that it started
            return -1


def run_here(name: str, out: Path) -> bool:
    """Run a group in this process and return whether no check failed."""
    logging.basicConfig(level=logging.ERROR)
    from deepsynth_tui.training.silence_libraries import silence_libraries

    silence_libraries()
    from tests.gpu.first_check.report import Report

    report = Report(out)
    with tempfile.TemporaryDirectory(prefix="first-check-") as folder:
        os.environ["DEEPSYNTH_HOME"] = str(Path(folder) / "home")
        with report.check(name):
            GROUPS[name].load()(report, Path(folder))
    return not report.failed


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a report


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.gpu.first_check",
        description="The most telling checks of the training stack on a GPU.",
    )
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for all groups together")
    parser.add_argument("--out", type=Path, help="folder of the results; default a temporary one")
    parser.add_argument("--here", action="store_true", help="in this process, without a time limit")
    options = parser.parse_args()
    if unknown := set(options.groups) - set(GROUPS):
        parser.error(f"unknown groups: {', '.join(sorted(unknown))}")
    names = options.groups or list(GROUPS)
    out = options.out or Path(tempfile.mkdtemp(prefix="first-check-results-"))
    out.mkdir(parents=True, exist_ok=True)
    if options.here:
        failed = [name for name in names if not run_here(name, out)]
        return 1 if failed else 0
    ended_well = run_groups(names, out, options.minutes)
    _print(f"results: {out}")
    return 0 if ended_well else 1


if __name__ == "__main__":
    sys.exit(main())
