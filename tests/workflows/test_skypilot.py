"""A training configuration as a task of SkyPilot.

`sky.Task.from_yaml` of SkyPilot 0.14.1 takes the file; the tests, which cannot install it, check
what its schema asks for (`sky/utils/schemas.py`).
"""

from __future__ import annotations

import json
import subprocess
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any

import pytest
import yaml

from deepsynth_tui.config.load import load_text
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.errors import UserError
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.machine.gpu_catalogue import load_catalogue
from deepsynth_tui.workflows.skypilot.export import SYSTEM_GIB, export_task, make_task
from deepsynth_tui.workflows.skypilot.installed_program import InstalledProgram, installed_program
from deepsynth_tui.workflows.skypilot.task import END_OF_CONFIG, Task, task_text
from tests.estimate import models
from tests.estimate.models import configure

RELEASE = InstalledProgram("deepsynth-tui==9.8")
MODEL = "Qwen/Qwen3-VL-8B-Instruct"
HUB: dict[str, Any] = {"model": {"name_or_path": MODEL}, "data": {"path": "owner/pages"}}


def inputs() -> EstimateInputs:
    return EstimateInputs(models.shipped(MODEL), gpus=load_catalogue())


def task_of(program: InstalledProgram = RELEASE, **sections: Any) -> Task:
    config = configure(**{**HUB, **sections})
    return make_task(config, inputs(), program, source=Path("a.yaml"))


def parsed(task: Task) -> dict[str, Any]:
    return yaml.safe_load(task_text(task))


def config_in(task: Task) -> TrainingConfig:
    """Return the configuration that the script of the task writes."""
    lines = parsed(task)["run"].splitlines()
    start, end = lines.index(f"cat > config.yaml <<'{END_OF_CONFIG}'"), lines.index(END_OF_CONFIG)
    config = load_text("\n".join(lines[start + 1 : end])).config
    assert isinstance(config, TrainingConfig)
    return config


def test_a_task_asks_for_the_gpus_that_the_run_fits_the_cheapest_first():
    task = task_of(training={"num_processes": 4})
    written = parsed(task)
    assert list(written) == [
        *("name", "num_nodes", "resources", "envs", "secrets", "file_mounts", "setup", "run")
    ]
    assert written["num_nodes"] == 1
    gpus = [row["accelerators"] for row in written["resources"]["any_of"]]
    estimate = inputs().estimate(configure(**HUB, training={"num_processes": 4}))
    rows = {f"{row.gpu.skypilot}:4": row for row in estimate.gpus}
    assert {rows[gpu].fit for gpu in gpus} == {"fits"}
    prices = [
        row.gpu.price_per_hour * row.seconds_per_step
        for row in map(rows.get, gpus)
        if row and row.gpu.price_per_hour
    ]
    assert prices == sorted(prices)
    assert set(gpus[-2:]) == {"L4:4", "L40S:4"}  # of unknown price
    assert any("bfloat16" in note and "V100" in note for note in task.notes)
    assert written["resources"]["memory"].endswith("+")
    assert written["resources"]["disk_size"] > SYSTEM_GIB + 2 * inputs().layout.total_params / 2**30
    assert all(isinstance(value, str) for value in written["envs"].values())


def test_gpus_without_bfloat16_are_candidates_of_a_run_in_float16():
    model = {**HUB["model"], "dtype": "float16"}
    task = task_of(model=model, training={"bf16": False, "fp16": True})
    accelerators = [gpu.accelerator for gpu in task.gpus]
    assert "V100-32GB:1" in accelerators


def test_a_run_that_fits_no_gpu_is_refused():
    with pytest.raises(UserError, match="none of the catalogue has"):
        task_of(training={"per_device_train_batch_size": 4096}, data={"max_length": 65536})


def test_the_configuration_is_the_same_but_for_paths_and_launch(tmp_path: Path):
    (tmp_path / "model").mkdir()
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "rows.jsonl").write_text("{}\n")
    (tmp_path / "pages" / ".gitignore").write_text("*.png\n")
    (tmp_path / "eval.parquet").write_bytes(b"1234")
    task = task_of(
        name="Ünsere: Läufe",
        model={"name_or_path": str(tmp_path / "model")},
        data={
            "path": str(tmp_path / "pages" / "*.jsonl"),
            "image_folder": str(tmp_path / "pages" / "images"),
            "eval_path": str(tmp_path / "eval.parquet"),
        },
        launch={"target": "slurm", "partition": "gpu", "setup": ["module load cuda"]},
        training={"learning_rate": 3e-5},
    )
    written, config = parsed(task), config_in(task)
    mounts = {
        source: target
        for target, source in written["file_mounts"].items()
        if isinstance(source, str)
    }
    assert config.name == "Ünsere: Läufe"
    assert written["name"] == "nsere-l-ufe"
    assert config.training.learning_rate == 3e-5
    assert (config.launch.target, config.launch.setup, config.output.dir) == ("local", [], None)

    def copied(path: Path) -> str:
        return mounts[str(path)].replace("~/deepsynth", ".")

    assert config.model.name_or_path == copied(tmp_path / "model")
    assert config.data.path == f"{copied(tmp_path / 'pages')}/*.jsonl"
    assert config.data.image_folder == f"{copied(tmp_path / 'pages')}/images"
    assert config.data.eval_path == copied(tmp_path / "eval.parquet")
    notes = "\n".join(task.notes)
    assert "not taken over: launch.target, launch.partition, launch.setup" in notes
    assert ".gitignore" in notes
    assert "only eval.parquet" in notes


def test_a_dataset_that_is_nowhere_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="is neither here nor"):
        task_of(data={"path": str(tmp_path / "gone.jsonl")})


@pytest.mark.parametrize(
    ("sections", "secrets"),
    [
        ({}, {"HF_TOKEN": ""}),
        ({"output": {"push_to_hub": True, "hub_model_id": "a/b"}}, {"HF_TOKEN": None}),
        ({"training": {"report_to": "wandb"}}, {"HF_TOKEN": "", "WANDB_API_KEY": None}),
    ],
    ids=["public", "push", "wandb"],
)
def test_no_secret_is_in_the_file(
    sections: dict[str, Any], secrets: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    for name in secrets:
        monkeypatch.setenv(name, "hf_secret")
    written = task_text(task_of(**sections))
    assert yaml.safe_load(written)["secrets"] == secrets
    assert "hf_secret" not in written


def test_the_scripts_are_shell():
    written = parsed(task_of(training={"report_to": "tensorboard", "use_liger_kernel": True}))
    for key in ("setup", "run"):
        subprocess.run(["bash", "-n"], input=written[key], text=True, check=True)
    assert written["setup"].rstrip().endswith("deepsynth-tui==9.8 tensorboard liger-kernel")


def test_a_checkout_is_the_workdir(tmp_path: Path):
    written = parsed(task_of(InstalledProgram(str(tmp_path), tmp_path)))
    assert written["workdir"] == str(tmp_path)
    assert written["setup"].rstrip().endswith("~/sky_workdir")


@pytest.mark.parametrize(
    ("recorded", "requirement"),
    [
        (None, "deepsynth-tui==1.2"),
        (
            {"url": "https://x.org/d", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "deepsynth-tui @ git+https://x.org/d@abc",
        ),
        ({"url": "https://x.org/d.whl", "archive_info": {}}, "deepsynth-tui @ https://x.org/d.whl"),
        ({"url": "file:///gone", "dir_info": {}}, "deepsynth-tui==1.2"),
        ({"url": "file:///gone/d.whl", "archive_info": {}}, "deepsynth-tui==1.2"),
    ],
    ids=["index", "git", "url", "folder that is gone", "file"],
)
def test_the_program_is_installed_from_where_it_came(
    recorded: dict[str, Any] | None, requirement: str, tmp_path: Path
):
    (tmp_path / "METADATA").write_text("Metadata-Version: 2.1\nName: deepsynth-tui\nVersion: 1.2\n")
    if recorded:
        (tmp_path / "direct_url.json").write_text(json.dumps(recorded))
    assert installed_program(PathDistribution(tmp_path)) == InstalledProgram(requirement)


def test_several_nodes_are_refused_and_no_file_is_overwritten(tmp_path: Path):
    config = configure(**HUB, launch={"target": "slurm", "nodes": 2}, training={"num_processes": 2})
    output = tmp_path / "task.yaml"
    with pytest.raises(UserError, match=r"launch\.nodes: 2 nodes of SkyPilot share no disk"):
        export_task(config, Path("a.yaml"), output)
    output.write_text("mine")
    with pytest.raises(UserError, match="already exists"):
        export_task(config, Path("a.yaml"), output)
