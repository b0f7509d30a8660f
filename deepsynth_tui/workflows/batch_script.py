"""The batch script of a run that Slurm starts: a file in the run folder, to be read and edited."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deepsynth_tui.config.kinds import Config
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.directory import RunDirectory, read_identity
from deepsynth_tui.runs.launch import JOB_ENVIRONMENT, JOBS
from deepsynth_tui.runs.lock import not_writable
from deepsynth_tui.slurm.commands import BATCH_JOB_VARIABLE, NODE_PYTHON_VARIABLE
from deepsynth_tui.workflows.container import container_python, hub_cache


def update_batch_script(run: RunDirectory, config: Config) -> None:
    """Write the batch script of `run`, or remove it if its job is started on this machine.

    `runs.launch.start_job` submits a run that has one. Raises LaunchError.
    """
    try:
        if not isinstance(config, TrainingConfig) or config.launch.target != "slurm":
            run.batch_script.unlink(missing_ok=True)
            return
        container = container_python(config, run, read_identity(run).cwd)
        text = batch_script(
            config,
            run_path=run.path.absolute(),
            cwd=read_identity(run).cwd,
            python=sys.executable,
            environment=JOB_ENVIRONMENT | ({"HF_HOME": str(hub_cache())} if container else {}),
            container=container,
        )
        atomic.replace(run.batch_script, text.encode())
    except OSError as error:
        raise not_writable(run, error) from error


def batch_script(
    config: TrainingConfig,
    *,
    run_path: Path,
    cwd: Path,
    python: str,
    environment: Mapping[str, str],
    container: Sequence[str] = (),
) -> str:
    """Return the script. Its arguments go to the training job: `--resume`, or none.

    The job is one process on the first node, which starts the processes of other nodes with srun:
    Slurm signals it alone (`B:`) before the time limit. With a `container`, it starts those of the
    first node so, too: `container` is what srun runs as Python.
    """
    launch = config.launch
    gpus = config.processes_per_node if launch.gpus_per_node is None else launch.gpus_per_node
    # sbatch replaces %j and the like in file names, and takes backslashes away.
    console = str(run_path / "console.log").replace("\\", "\\\\").replace("%", "%%")
    options = {
        "--job-name": config.name,
        "--nodes": str(launch.nodes),
        "--ntasks-per-node": "1",
        "--gpus-per-node": str(gpus) if gpus else None,
        "--partition": launch.partition,
        "--account": launch.account,
        "--time": launch.time,
        "--constraint": launch.constraint,
        "--chdir": str(cwd),
        "--output": console,
    }
    lines = [f"{name}={shlex.quote(value)}" for name, value in options.items() if value is not None]
    lines += ["--open-mode=append", "--requeue", f"--signal=B:USR1@{launch.signal_seconds}"]
    lines += launch.sbatch_options
    command = [python, "-m", JOBS["training"], str(run_path)]
    return "\n".join(
        (
            "#!/bin/bash",
            "# Written by deepsynth-tui from `launch` in config.yaml, anew at each start.",
            *(f"#SBATCH {line}" for line in lines),
            "set -e",
            *_section("# launch.setup", launch.setup),
            "",
            "# A job that was requeued continues from its last checkpoint.",
            'if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then set -- --resume; fi',
            f'export {BATCH_JOB_VARIABLE}="$SLURM_JOB_ID"',
            *(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
            *_section("# launch.container: what srun runs on each node", _export(container)),
            f'exec {shlex.join(command)} "$@"',
            "",
        )
    )


def _export(container: Sequence[str]) -> list[str]:
    if not container:
        return []
    return [f"export {NODE_PYTHON_VARIABLE}={shlex.quote(shlex.join(container))}"]


def _section(title: str, lines: Sequence[str]) -> tuple[str, ...]:
    return ("", title, *lines) if lines else ()
