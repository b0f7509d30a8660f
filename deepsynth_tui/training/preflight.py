"""What would keep a training run from succeeding, found before it starts and without torch.

`python -m deepsynth_tui.training.preflight CONFIG.yaml` prints one JSON object:
`{"problems": [{"key", "message", "hint"}], "columns": [..], "rows": n or null}`. `columns` are
those of the dataset, which a form can offer; `rows` is null where counting would take a download.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.config.locations import home
from deepsynth_tui.config.preflight import (
    nearest_existing_parent,
    output_dir_problems,
    run_preflight_command,
)
from deepsynth_tui.config.problems import Problem
from deepsynth_tui.config.training import DataSettings, TrainingConfig
from deepsynth_tui.estimate.storage import estimate_disk, processor_bytes
from deepsynth_tui.estimate.timing import total_steps
from deepsynth_tui.machine import nvml
from deepsynth_tui.models.layout import load_layout
from deepsynth_tui.models.lora_targets import resolve_target_modules, resolve_target_parameters
from deepsynth_tui.training.callbacks.trackers import wandb_lacks_login
from deepsynth_tui.training.data.dataset_folder import dataset_folder, may_be_on_hub
from deepsynth_tui.training.model_availability import (
    ModelFacts,
    check_text_encoder,
    disk_full_problem,
    find_model,
)
from deepsynth_tui.training.ranks.gpu_assignment import gpu_shortage

# What a run writes beside its checkpoints: events and log, and a small adapter with its optimizer
# state where the layout of the model is not known yet.
LEAST_BYTES = 256 << 20
# A checkpoint of full fine-tuning: the weights and two moments of Adam, each as large.
FULL_CHECKPOINT = 3
TRACKERS = {"tensorboard": "tensorboard", "trackio": "trackio", "wandb": "wandb"}


@dataclass(frozen=True, slots=True)
class Dataset:
    """What the files of a dataset say about themselves; None where that is not known."""

    columns: tuple[str, ...] | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Preflight:
    """What is known before the start."""

    problems: tuple[Problem, ...]
    dataset: Dataset = Dataset()

    def to_json(self) -> dict[str, Any]:
        """Return what the command prints."""
        return {
            "problems": [one.to_json() for one in self.problems],
            "columns": list(self.dataset.columns or ()),
            "rows": self.dataset.rows,
        }


def check(config: TrainingConfig) -> list[Problem]:
    """Return every problem that can be found without loading model or dataset."""
    return list(inspect(config).problems)


def inspect(config: TrainingConfig) -> Preflight:
    """Look at dataset, model, text encoder, packages, login, output folder and disk."""
    problems: list[Problem] = []
    model = find_model(config.model, problems)
    check_text_encoder(config.text_encoder, problems)
    dataset = _dataset(config.data, model, problems)
    problems += _targets(config)
    problems += _packages(config)
    problems += _gpus(config)
    problems += output_dir_problems(config.output.dir) or _space(config, model, dataset.rows)
    return Preflight(tuple(problems), dataset)


def _dataset(data: DataSettings, model: ModelFacts | None, problems: list[Problem]) -> Dataset:
    folder = dataset_folder(data.path)
    if folder is None:
        if not may_be_on_hub(data.path):
            problems.append(
                Problem(
                    "data.path",
                    f"{data.path} is no folder and no run",
                    "the folder that `generate` wrote, the id of its run, or a Hub id",
                )
            )
        return Dataset()
    if not folder.is_dir():
        problems.append(
            Problem("data.path", f"the run {data.path} has no dataset yet", "let it finish first")
        )
        return Dataset()
    shards = sorted(folder.glob(f"**/{data.split}-*.parquet")) or sorted(
        folder.glob("**/*.parquet")
    )
    if not shards:
        if not any(folder.iterdir()):
            problems.append(Problem("data.path", f"{folder} is empty", "generate a dataset"))
        return Dataset()
    known = _read_footers(shards, problems)
    problems += _columns_and_rows(data, known, model)
    return known


def _read_footers(shards: list[Path], problems: list[Problem]) -> Dataset:
    import pyarrow
    from pyarrow import parquet

    rows = 0
    columns: tuple[str, ...] = ()
    for shard in shards:
        try:
            footer = parquet.read_metadata(shard)
        except (OSError, pyarrow.ArrowInvalid) as error:
            reason = str(error).splitlines()[0]
            problems.append(
                Problem("data.path", f"{shard} cannot be read: {reason}", "generate it again")
            )
            return Dataset()
        rows += footer.num_rows
        columns = tuple(footer.schema.to_arrow_schema().names)
    return Dataset(columns, rows)


def _columns_and_rows(
    data: DataSettings, dataset: Dataset, model: ModelFacts | None
) -> Iterator[Problem]:
    if dataset.columns is None or dataset.rows is None:
        return
    there = f"columns: {', '.join(dataset.columns)}"
    if data.target_column not in dataset.columns and "messages" not in dataset.columns:
        yield Problem("data.target_column", f"no column {data.target_column!r}", there)
    if model and model.reads_images and data.image_column not in dataset.columns:
        yield Problem("data.image_column", f"no column {data.image_column!r}", there)
    if dataset.rows == 0:
        yield Problem("data.path", "the dataset has no rows", "generate it again")
    elif data.eval_fraction and int(dataset.rows * data.eval_fraction) == 0:
        yield Problem(
            "data.eval_fraction",
            f"{data.eval_fraction:g} of {dataset.rows} rows is less than one row",
            f"at least {1 / dataset.rows:.3g}, or 0 to hold nothing out",
        )


def _targets(config: TrainingConfig) -> Iterator[Problem]:
    """Where the layout of the model is known already: `training/lora.py` says it otherwise."""
    profile = load_layout(config.model.name_or_path, config.model.revision)
    if profile is None or not config.lora.enabled:
        return
    targets = resolve_target_modules(profile.linears, config.lora, config.model)
    if targets or resolve_target_parameters(profile.parameters, config.lora, config.model):
        return
    names = {name.rpartition(".")[2] for name in profile.linears}
    called = sorted(name for name in names if not name.isdecimal())
    yield Problem(
        "lora.target_modules",
        "nothing in the model that may be trained is called that",
        f"all-linear, towers, or names of its linears: {', '.join(called)}",
    )


def _packages(config: TrainingConfig) -> Iterator[Problem]:
    tracker = TRACKERS.get(config.training.report_to)
    if tracker and importlib.util.find_spec(tracker) is None:
        yield Problem("training.report_to", f"{tracker} is not installed", f"pip install {tracker}")
    elif tracker == "wandb" and wandb_lacks_login():
        yield Problem(
            "training.report_to",
            "nobody is logged in to wandb",
            "run `wandb login`, or set WANDB_MODE=offline in the environment",
        )
    if config.training.use_liger_kernel and importlib.util.find_spec("liger_kernel") is None:
        yield Problem(
            "training.use_liger_kernel",
            "liger_kernel is not installed",
            "pip install liger-kernel, or turn it off",
        )
    if config.model.attn_implementation == "flash_attention_2" and not importlib.util.find_spec(
        "flash_attn"
    ):
        yield Problem(
            "model.attn_implementation",
            "flash_attn is not installed",
            "pip install flash-attn, or choose sdpa",
        )
    pushes = ("push_to_hub", "push_checkpoints")
    if asked := next((name for name in pushes if getattr(config.output, name)), None):
        from huggingface_hub import get_token

        if get_token() is None:
            yield Problem(
                f"output.{asked}", "nobody is logged in to the Hub", "run `hf auth login`"
            )


def _gpus(config: TrainingConfig) -> Iterator[Problem]:
    if config.training.num_processes == 1:
        return
    if lacking := gpu_shortage(config.training.num_processes, nvml.probe()):
        yield Problem("training.num_processes", lacking, "lower it, or show more GPUs to the run")


def _space(config: TrainingConfig, model: ModelFacts | None, rows: int | None) -> Iterator[Problem]:
    place = nearest_existing_parent(
        Path(config.output.dir).expanduser() if config.output.dir else home()
    )
    needed = LEAST_BYTES
    if profile := load_layout(config.model.name_or_path, config.model.revision):
        steps = total_steps(config, rows)
        needed += estimate_disk(
            config, profile, steps=steps, processor=processor_bytes(config)
        ).needed
    elif not config.lora.enabled and model:
        checkpoints = FULL_CHECKPOINT * (config.training.save_total_limit + 1)
        needed += (checkpoints + 1) * model.weight_bytes
    free = shutil.disk_usage(place).free
    if free < needed:
        yield disk_full_problem("output.dir", place, needed=needed, free=free)


def main() -> int:
    """Check the configuration named on the command line and print what was found."""
    return run_preflight_command(TrainingConfig, inspect, Preflight)


if __name__ == "__main__":
    sys.exit(main())
