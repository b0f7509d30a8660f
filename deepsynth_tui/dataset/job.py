"""The process of a dataset run: `python -m deepsynth_tui.dataset.job RUN_PATH`."""

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
NO_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)


def body(job: Job) -> str:
    """Generate the dataset of the run and return the verdict."""
    config = load_file(job.run.config).config
    if not isinstance(config, DatasetConfig):
        problem = Problem("kind", "is not dataset", "start it with train", str(job.run.config))
        raise ConfigError([problem])
    return generate(config, job.run.dataset, job)


def explain(error: BaseException, dataset: Path) -> Failure:
    """Return the failure to show for `error`; `dataset` is the folder of the run's dataset."""
    failure = _explain(error)
    partial_dataset = partial_folder(dataset)
    if not partial_dataset.exists():
        return failure
    advice = f"{failure.advice} Finished shards are kept in {partial_dataset}; continue with "
    advice += "--resume."
    return Failure(failure.class_name, failure.message, advice.strip())


def _explain(error: BaseException) -> Failure:
    class_name = type(error).__name__
    match error:
        case DatasetError():
            return Failure(class_name, error.message, error.advice)
        case ConfigError():
            advice = "Correct the configuration and start a new run."
            return Failure(class_name, str(error), advice)
        case OSError() if error.errno in DISK_FULL:
            advice = "Free some space, or choose an output.dir on another disk."
            return Failure(NotEnoughSpace.__name__, "the disk is full", advice)
        case OSError() if error.errno == errno.EFBIG:
            message = "a file exceeds the file size limit of this system"
            advice = "Raise the limit (ulimit -f), or lower output.shard_size and start a new run."
            return Failure(class_name, message, advice)
        case OSError() if error.errno in NO_PERMISSION:
            advice = "Change the permissions of the folder, or make its file system writable."
            return Failure(class_name, _os_message(error), advice)
        case MemoryError():
            advice = "Lower num_proc or output.shard_size."
            return Failure(class_name, "out of memory", advice)
        case _:
            advice = "This error is unexpected; the run's log has the details."
            return Failure(class_name, str(error) or class_name, advice)


def _os_message(error: OSError) -> str:
    """Return the file and the reason; a library that wraps the error puts both into its text."""
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
