"""The process of a training run: `python -m deepsynth_tui.training.job RUN_PATH [--resume]`.

`train` lists the steps of a run; `run.TrainingRun` has one method for each. A run of several
processes has a launcher, in this process, and `train` runs in each of its ranks.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from deepsynth_tui.config.load import load_file
from deepsynth_tui.runs.directory import open_run, read_identity
from deepsynth_tui.runs.job import Job, run_job
from deepsynth_tui.training.environment import (
    disable_torch_compile,
    number_gpus_by_bus,
    use_expandable_segments,
    use_first_gpu_only,
    wait_passively,
)
from deepsynth_tui.training.failures import explain
from deepsynth_tui.training.silence_libraries import silence_libraries

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.ranks.rank_group import RankGroup
    from deepsynth_tui.training.result.disk_space import DiskSpace


def train(
    job: Job,
    *,
    resume: bool,
    ranks: RankGroup | None = None,
    disk_space: DiskSpace | None = None,
) -> str:
    """Train, save and verify; return the verdict, "completed" or "stopped".

    A stop before the first step leaves no files. A later one leaves a checkpoint, and the adapter
    or model as trained so far, unless the run goes on in another process. While the disk is full,
    the run waits.
    """
    from deepsynth_tui.training.run import TrainingRun

    run = TrainingRun.create(job, training_config(job), ranks, disk_space)
    checkpoint = run.find_checkpoint() if resume else None
    if run.stop_requested():
        return "stopped"

    base, encoder = run.load(checkpoint)

    data = run.prepare_data(base)
    if run.stop_requested() or data is None:
        return "stopped"
    decided = run.decide_checkpointing(data)
    estimate = run.publish_estimate(decided, data)
    if checkpoint is None or checkpoint.path is None:
        run.sample_base_model(base, encoder, data)

    model = run.attach_trainable(base, encoder, data, decided, checkpoint)
    run.prepare_padding_free(model, data)
    estimate = run.cache_page_features(base, model, data, estimate)
    if run.stop_requested():
        return "stopped"

    trainer, verdict = run.fit(base, model, data, decided, estimate, checkpoint)
    if verdict == "requeued":
        return "stopped"  # with a checkpoint; there may be no time for more
    if not run.runs_inference:
        return verdict

    reference = run.reference_logits(model, data, trainer)
    result = run.save(base, encoder, model, data, trainer)

    del base, encoder, model, trainer  # free their memory: verify loads the model a second time
    verification = run.verify(result, reference)

    run.publish(result, verification, data)
    return verdict


def training_config(job: Job) -> TrainingConfig:
    """Return the configuration that was frozen when the run was created."""
    from deepsynth_tui.config.training import TrainingConfig

    config = load_file(job.run.config, of_run=True).config
    if not isinstance(config, TrainingConfig):
        raise TypeError(f"{job.run.config} is of kind {config.kind}, not training")
    return config


def main(arguments: list[str] | None = None) -> int:
    """Run the job of a run directory and return the exit status of `run_job`."""
    parser = argparse.ArgumentParser(prog="python -m deepsynth_tui.training.job")
    parser.add_argument("run", type=Path, help="the run directory")
    parser.add_argument("--resume", action="store_true", help="continue from the newest checkpoint")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
    logging.getLogger("deepsynth_tui").setLevel(logging.INFO)
    number_gpus_by_bus()
    use_expandable_segments()
    wait_passively()
    disable_torch_compile()
    run_path = options.run.resolve()
    os.chdir(read_identity(open_run(run_path)).cwd)

    def body(job: Job) -> str:
        config = training_config(job)
        num_processes = config.training.num_processes
        if config.launch.target == "torchrun":
            from deepsynth_tui.training.ranks.joined_nodes import run_joined_nodes

            return run_joined_nodes(job, config, resume=options.resume)
        if config.launch.nodes > 1 or config.launch.container is not None:
            from deepsynth_tui.training.ranks.nodes import run_nodes

            return run_nodes(job, config, resume=options.resume)
        if num_processes > 1:
            from deepsynth_tui.training.ranks.launcher import run_ranks

            return run_ranks(job, num_processes, resume=options.resume)
        use_first_gpu_only()
        silence_libraries()
        return train(job, resume=options.resume)

    return run_job(run_path, body, explain=explain)


if __name__ == "__main__":
    sys.exit(main())
