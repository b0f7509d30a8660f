"""The batch script as text, and as the shell reads it."""

from __future__ import annotations

import itertools
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.config.load import check_values
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.errors import LaunchError
from deepsynth_tui.workflows.batch_script import batch_script
from deepsynth_tui.workflows.container import container_python, outermost

EIGHT_GPUS = """\
#!/bin/bash
# Written by deepsynth-tui from `launch` in config.yaml, anew at each start.
#SBATCH --job-name=invoices
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --partition=gpu
#SBATCH --account=vision
#SBATCH --time=12:00:00
#SBATCH --constraint='a100|h100'
#SBATCH --chdir=/home/ada
#SBATCH --output=/scratch/runs/invoices/console.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@300
#SBATCH --mem=128G
set -e

# launch.setup
module load cuda/12.8
export NCCL_SOCKET_IFNAME=ib0

# A job that was requeued continues from its last checkpoint.
if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then set -- --resume; fi
export DEEPSYNTH_BATCH_JOB="$SLURM_JOB_ID"
export PYTHONUNBUFFERED=1
exec /opt/venv/bin/python -m deepsynth_tui.training.job /scratch/runs/invoices "$@"
"""
ALL = {
    "nodes": 2,
    "partition": "gpu",
    "account": "vision",
    "time": "12:00:00",
    "constraint": "a100|h100",
    "setup": ["module load cuda/12.8", "export NCCL_SOCKET_IFNAME=ib0"],
    "sbatch_options": ["--mem=128G"],
}


def script(
    launch: dict[str, Any],
    *,
    processes: int = 1,
    run: str = "/scratch/runs/invoices",
    python: str = "/opt/venv/bin/python",
) -> str:
    return batch_script(
        _config(launch, processes=processes),
        run_path=Path(run),
        cwd=Path("/home/ada"),
        python=python,
        environment={"PYTHONUNBUFFERED": "1"},
    )


def _config(launch: dict[str, Any], *, processes: int = 1, data: str = "x") -> TrainingConfig:
    values = {
        "kind": "training",
        "name": "invoices",
        "data": {"path": data},
        "training": {"num_processes": processes},
        "launch": {"target": "slurm", **launch},
    }
    config = check_values(values).config
    assert isinstance(config, TrainingConfig)
    return config


def test_every_setting_is_in_the_script() -> None:
    assert script(ALL, processes=16) == EIGHT_GPUS


def test_a_job_without_settings_asks_for_a_gpu_for_its_process() -> None:
    lines = [line for line in script({}).splitlines() if line.startswith("#SBATCH")]
    assert "#SBATCH --gpus-per-node=1" in lines
    assert not [line for line in lines if "partition" in line or "time" in line]
    assert "gpus" not in script({"gpus_per_node": 0})


def test_sbatch_replaces_nothing_in_the_name_of_the_log() -> None:
    text = script({}, run="/scratch/50%j off/a run")
    assert "--output='/scratch/50%%j off/a run/console.log'" in text


@pytest.mark.parametrize(
    ("restarts", "arguments", "passed"),
    [(None, [], ""), ("0", ["--resume"], "--resume"), ("2", [], "--resume")],
)
def test_a_requeued_job_resumes(
    tmp_path: Path, restarts: str | None, arguments: list[str], passed: str
) -> None:
    echo = tmp_path / "it's python"
    echo.write_text('#!/bin/bash\nprintf "%s|" "$DEEPSYNTH_BATCH_JOB" "$@"\n')
    echo.chmod(0o755)
    environment = {
        "SLURM_JOB_ID": "4711",
        **({"SLURM_RESTART_COUNT": restarts} if restarts else {}),
    }
    file = tmp_path / "job.sbatch"
    file.write_text(script({}, python=str(echo)))
    command = ["bash", str(file), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    parts = done.stdout.rstrip("|").split("|")
    assert parts[:3] == ["4711", "-m", "deepsynth_tui.training.job"]
    assert parts[4:] == ([passed] if passed else [])


def test_a_failing_line_of_the_setup_ends_the_job(tmp_path: Path) -> None:
    file = tmp_path / "job.sbatch"
    file.write_text(script({"setup": ["false"]}, python="/bin/echo"))
    done = subprocess.run(["bash", str(file)], env={}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize(
    ("image", "gpus", "expected"),
    [
        (
            "images/train.sif",
            None,
            "apptainer exec --nv --bind CWD --bind RUN --pwd CWD images/train.sif python3",
        ),
        (
            "docker://org/train:1",
            0,
            "apptainer exec --bind CWD --bind RUN --pwd CWD docker://org/train:1 python3",
        ),
        (
            "nvcr.io#org/train:1",
            None,
            "--container-image=nvcr.io#org/train:1 --container-mounts=CWD:CWD,RUN:RUN "
            "--container-workdir=CWD python3",
        ),
        (
            "/images/train.sqsh",
            0,
            "--container-image=/images/train.sqsh --container-mounts=CWD:CWD,RUN:RUN "
            "--container-workdir=CWD python3",
        ),
    ],
)
def test_a_container_is_what_srun_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    image: str,
    gpus: int | None,
    expected: str,
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "missing"))
    folder, cwd = tmp_path / "it's a run", tmp_path / "cwd"
    (cwd / "data").mkdir(parents=True)
    config = _config({"container": image, "gpus_per_node": gpus}, data="data")
    command = container_python(config, RunDirectory("run", folder), cwd)
    words = expected.replace("CWD", str(cwd)).replace(" ", "|").replace("RUN", str(folder))
    assert command == words.split("|")
    text = batch_script(
        config, run_path=folder, cwd=cwd, python="/bin/echo", environment={}, container=command
    )
    assert "\n# launch.container: what srun runs on each node\nexport DEEPSYNTH_NODE_" in text
    shown = text.replace("exec /bin/echo", 'printenv DEEPSYNTH_NODE_PYTHON; exec "" /bin/echo')
    done = subprocess.run(["bash", "-c", shown], capture_output=True, text=True, check=False)
    assert shlex.split(done.stdout.splitlines()[0]) == command


def test_what_is_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "models"))
    monkeypatch.setenv("DEEPSYNTH_HOME", str(tmp_path / "runs"))
    names = ("adapter", "cwd", "data", "eval", "hub", "images", "models", "runs/cache", "runs/run")
    for name in names:
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data" / "rows.jsonl").touch()
    config = _config({"container": "a.sif"}, data=str(tmp_path / "data" / "rows.jsonl"))
    lora = config.lora.model_copy(update={"init_from": str(tmp_path / "adapter")})
    read = {"eval_path": "../eval", "image_folder": str(tmp_path / "images")}
    data = config.data.model_copy(update=read)
    config = config.model_copy(update={"lora": lora, "data": data})
    run = RunDirectory("run", tmp_path / "runs" / "run")
    command = container_python(config, run, tmp_path / "cwd")
    mounted = [path for word, path in itertools.pairwise(command) if word == "--bind"]
    assert mounted == [str(tmp_path / name) for name in names]
    run = RunDirectory("run", tmp_path / "a:b")
    with pytest.raises(LaunchError, match="a comma or a colon"):
        container_python(config, run, tmp_path / "cwd")


def test_the_outermost_folders() -> None:
    folders = [Path("/a/b"), Path("/a"), Path("/ab"), Path("/a"), Path("/c/d")]
    assert outermost(folders) == [Path("/a"), Path("/ab"), Path("/c/d")]
