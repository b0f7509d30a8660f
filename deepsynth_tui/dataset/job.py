"""A dataset run as a process: `python -m deepsynth_tui.dataset.job RUN_PATH`."""

from __future__ import annotations

import errno
import logging
import sys
from functools import partial
from pathlib import Path

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.load import load_file
from deepsynth_tui.config.problems import ConfigError, Problem
from deepsynth_tui.dataset.errors import DatasetError, NotEnoughSpace
from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.writing.partial_dataset import partial_folder
from deepsynth_tui.runs.job import Failure, Job, run_job

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


def body(job: Job) -> str:
    """Do the work of the run and return its verdict."""
    config = load_file(job.run.config).config
    if not isinstance(config, DatasetConfig):
        problem = Problem("kind", "is not dataset", "start it as a training", str(job.run.config))
        raise ConfigError([problem])
    return generate(config, job.run.dataset, job)


def explain(error: BaseException, dataset: Path) -> Failure:
    """Return what a person needs to know of `error`; `dataset` is where the result was to be."""
    failure = _explain(error)
    left = partial_folder(dataset)
    if not left.exists():
        return failure
    advice = f"{failure.advice} The shards that were finished are in {left}: --resume goes on."
    return Failure(failure.class_name, failure.message, advice.strip())


def _explain(error: BaseException) -> Failure:
    name = type(error).__name__
    match error:
        case DatasetError():
            return Failure(name, error.message, error.advice)
        case ConfigError():
            return Failure(name, str(error), "Correct the configuration and start a new run.")
        case OSError() if error.errno in DISK_FULL:
            return Failure(
                NotEnoughSpace.__name__,
                "the disk is full",
                "Free some space and go on, or choose an output.dir on another disk.",
            )
        case OSError() if error.errno == errno.EFBIG:
            return Failure(
                name,
                "a file would be larger than this system lets it be",
                "Raise the limit (ulimit -f), or lower output.shard_size and start anew.",
            )
        case OSError() if error.errno in READ_ONLY:
            return Failure(
                name,
                f"{_what(error)}: this process may not do that",
                "Change the rights of the folder, or that the disk is read-only.",
            )
        case MemoryError():
            return Failure(
                name, "there is no memory left", "Lower num_proc or output.shard_size, and go on."
            )
        case _:
            return Failure(
                name, str(error) or name, "This was not foreseen: the run's log has the details."
            )


def _what(error: OSError) -> str:
    """Return what the system says, with the file; a library that wraps it has put that inside."""
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)


def main() -> int:
    """Run the job named on the command line and return the exit code."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m deepsynth_tui.dataset.job RUN_PATH\n")
        return 2
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
    logging.getLogger("deepsynth_tui").setLevel(logging.INFO)
    run_path = Path(sys.argv[1])
    return run_job(run_path, body, explain=partial(explain, dataset=run_path / "dataset"))


if __name__ == "__main__":
    sys.exit(main())
