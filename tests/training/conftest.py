"""Fixtures: small models and a dataset that train in a second, and a way to run the job on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.load import check_values
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.events import parse_event
from deepsynth_tui.runs.job import Job, run_job
from deepsynth_tui.training.failures import explain
from deepsynth_tui.training.job import train
from deepsynth_tui.training.silence_libraries import silence_libraries
from tests.training import small_datasets, small_models

silence_libraries()


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Use one thread: sums in one order, for results that are compared bit for bit."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the constant: huggingface_hub reads the environment on import."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.fixture(scope="session")
def vision_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_models.vision_model(tmp_path_factory.mktemp("vision-model"))


@pytest.fixture(scope="session")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_models.language_model(tmp_path_factory.mktemp("language-model"))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    return small_datasets.write(folder, [small_datasets.row(number) for number in range(10)])


@pytest.fixture
def values(vision_model: Path, dataset: Path) -> dict[str, Any]:
    """The values of a configuration that trains three steps."""
    return {
        "kind": "training",
        "name": "small",
        "model": {"name_or_path": str(vision_model), "dtype": "float32"},
        "lora": {"r": 4, "lora_alpha": 8},
        "data": {"path": str(dataset), "max_length": 256},
        "training": {
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 1,
            "max_steps": 3,
            "learning_rate": 0.01,
            "warmup_steps": 0,
            "bf16": False,
            "gradient_checkpointing": False,
            "save_steps": 100,
        },
    }


def configuration(values: dict[str, Any], **changes: Any) -> TrainingConfig:
    """Return the checked configuration; `changes` are dotted keys with __ for the dot."""
    for key, value in changes.items():
        values = yaml_text.with_value(values, key.replace("__", "."), value)
    checked = check_values(values)
    assert isinstance(checked.config, TrainingConfig), checked.problems
    return checked.config


@dataclass(frozen=True)
class Ran:
    """A finished run."""

    run: RunDirectory
    exit_code: int

    @property
    def events(self) -> list[Any]:
        lines = self.run.events.read_bytes().splitlines()
        return [event for line in lines if (event := parse_event(line))]

    def of(self, kind: str) -> list[Any]:
        return [event for event in self.events if event.kind == kind]

    @property
    def verdict(self) -> Any:
        return self.of("done")[-1].data["verdict"]

    @property
    def losses(self) -> list[Any]:
        return [event.data["loss"] for event in self.of("metric") if "loss" in event.data]

    @property
    def failure(self) -> str:
        error = self.of("error")[-1].data
        return f"{error['message']}\n{error['advice']}"


Run = Callable[..., Ran]


def _after_each_metric(job: Job, during: Callable[[Job], None]) -> None:
    reported = job.metric

    def metric(*, step: int, **figures: object) -> None:
        reported(step=step, **figures)
        during(job)

    setattr(job, "metric", metric)  # noqa: B010 - pyright takes a method for constant


@pytest.fixture
def run(home: Path, values: dict[str, Any]) -> Run:
    """Run the job in this process: `run(key__of__config=value, ...)`.

    `during` is called with the Job after each event of a metric, `resume` goes on with a run.
    """

    def start(
        *,
        resume: RunDirectory | None = None,
        during: Callable[[Job], None] | None = None,
        **changes: Any,
    ) -> Ran:
        config = configuration(values, **changes)
        text = yaml_text.dump(config.model_dump())
        directory = resume or create_run(home, kind="training", name="small", config_text=text)

        def body(job: Job) -> str:
            if during is not None:
                _after_each_metric(job, during)
            return train(job, resume=resume is not None)

        return Ran(directory, run_job(directory.path, body, explain=explain))

    return start
