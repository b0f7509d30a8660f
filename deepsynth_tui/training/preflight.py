"""Check a training configuration before the run starts, without torch.

`python -m deepsynth_tui.training.preflight CONFIG.yaml` prints one JSON object:
`{"problems": [{"key", "message", "hint"}], "columns": [..], "rows": n or null}`. `columns` are
those of the dataset, which a form can offer; `rows` is null if counting would need a download.
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
from deepsynth_tui.config.preflight_report import (
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
from deepsynth_tui.models.lora_problems import lora_problems
from deepsynth_tui.training.data.dataset_folder import dataset_folder, may_be_on_hub
from deepsynth_tui.training.model_availability import (
    ModelFacts,
    check_text_encoder,
    disk_full_problem,
    find_model,
)
from deepsynth_tui.training.ranks.gpu_assignment import gpu_shortage
from deepsynth_tui.training.trackers import wandb_lacks_login

MIN_DISK_BYTES = 256 << 20
"""What a run writes besides its checkpoints: events and log, and, while the layout of the model is
not known, a small adapter with its optimizer state."""
FULL_CHECKPOINT = 3
"""Size of a checkpoint of full fine-tuning in sizes of the weights: Adam keeps two moments."""
TRACKER_PACKAGES = ("tensorboard", "trackio", "wandb")  # their names as training.report_to


@dataclass(frozen=True, slots=True)
class Dataset:
    """What the Parquet footers of a dataset say; None if they cannot be read here."""

    columns: tuple[str, ...] | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class PreflightReport:
    """The problems of a configuration, and the columns and rows of its dataset."""

    problems: tuple[Problem, ...]
    dataset: Dataset = Dataset()

    def to_json(self) -> dict[str, Any]:
        """Return what the command prints."""
        return {
            "problems": [problem.to_json() for problem in self.problems],
            "columns": list(self.dataset.columns or ()),
            "rows": self.dataset.rows,
        }


def check(config: TrainingConfig) -> list[Problem]:
    """Return every problem that can be found without loading model or dataset."""
    return list(inspect(config).problems)


def inspect(config: TrainingConfig) -> PreflightReport:
    """Check dataset, model, text encoder, packages, logins, GPUs, output folder and disk space."""
    problems: list[Problem] = []
    model = find_model(config.model, problems)
    check_text_encoder(config.text_encoder, problems)
    dataset = _inspect_dataset(config.data, model, problems)
    problems += _target_problems(config)
    problems += _package_problems(config)
    problems += _gpu_problems(config)
    problems += output_dir_problems(config.output.dir) or _disk_problems(
        config, model, dataset.rows
    )
    return PreflightReport(tuple(problems), dataset)


def _inspect_dataset(
    data: DataSettings, model: ModelFacts | None, problems: list[Problem]
) -> Dataset:
    folder = dataset_folder(data.path)
    if folder is None:
        if not may_be_on_hub(data.path):
            problems.append(
                Problem(
                    "data.path",
                    f"there is no folder and no run {data.path}",
                    "give a folder that `generate` wrote, the id of its run, or a Hub id",
                )
            )
        return Dataset()
    if not folder.is_dir():
        problems.append(
            Problem("data.path", f"the run {data.path} has no dataset yet", "wait until it is done")
        )
        return Dataset()
    shards = sorted(folder.glob(f"**/{data.split}-*.parquet")) or sorted(
        folder.glob("**/*.parquet")
    )
    if not shards:
        if not any(folder.iterdir()):
            problems.append(Problem("data.path", f"{folder} is empty", "generate a dataset"))
        return Dataset()
    dataset = _read_footers(shards, problems)
    problems += _dataset_problems(data, dataset, model)
    return dataset


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


def _dataset_problems(
    data: DataSettings, dataset: Dataset, model: ModelFacts | None
) -> Iterator[Problem]:
    if dataset.columns is None or dataset.rows is None:
        return
    hint = f"columns: {', '.join(dataset.columns)}"
    if data.target_column not in dataset.columns and "messages" not in dataset.columns:
        yield Problem("data.target_column", f"no column {data.target_column!r}", hint)
    if model and model.reads_images and data.image_column not in dataset.columns:
        yield Problem("data.image_column", f"no column {data.image_column!r}", hint)
    if dataset.rows == 0:
        yield Problem("data.path", "the dataset has no rows", "generate it again")
    elif data.eval_fraction and int(dataset.rows * data.eval_fraction) == 0:
        yield Problem(
            "data.eval_fraction",
            f"{data.eval_fraction:g} of {dataset.rows} rows is less than one row",
            f"at least {1 / dataset.rows:.3g}, or 0 to hold no rows out",
        )


def _target_problems(config: TrainingConfig) -> list[Problem]:
    """Check LoRA targets if the layout of the model is cached; else `modeling.lora` does later."""
    layout = load_layout(config.model.name_or_path, config.model.revision)
    return lora_problems(layout.names, config.lora, config.model) if layout else []


def _package_problems(config: TrainingConfig) -> Iterator[Problem]:
    tracker = config.training.report_to
    if tracker in TRACKER_PACKAGES and importlib.util.find_spec(tracker) is None:
        yield Problem("training.report_to", f"{tracker} is not installed", f"pip install {tracker}")
    elif tracker == "wandb" and wandb_lacks_login():
        yield Problem(
            "training.report_to",
            "there is no wandb login",
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
    if setting := next((name for name in pushes if getattr(config.output, name)), None):
        from huggingface_hub import get_token

        if get_token() is None:
            yield Problem(f"output.{setting}", "there is no Hub login", "run `hf auth login`")


def _gpu_problems(config: TrainingConfig) -> Iterator[Problem]:
    if config.training.num_processes == 1:
        return
    if shortage := gpu_shortage(config.training.num_processes, nvml.probe()):
        yield Problem("training.num_processes", shortage, "lower it, or let the run see more GPUs")


def _disk_problems(
    config: TrainingConfig, model: ModelFacts | None, rows: int | None
) -> Iterator[Problem]:
    folder = nearest_existing_parent(
        Path(config.output.dir).expanduser() if config.output.dir else home()
    )
    needed = MIN_DISK_BYTES
    if layout := load_layout(config.model.name_or_path, config.model.revision):
        steps = total_steps(config, rows)
        needed += estimate_disk(
            config, layout, steps=steps, processor=processor_bytes(config)
        ).needed
    elif not config.lora.enabled and model:
        checkpoints = FULL_CHECKPOINT * (config.training.save_total_limit + 1)
        needed += (checkpoints + 1) * model.weight_bytes
    free = shutil.disk_usage(folder).free
    if free < needed:
        yield disk_full_problem("output.dir", folder, needed=needed, free=free)


def main() -> int:
    """Check the configuration named on the command line and print the report."""
    return run_preflight_command(TrainingConfig, inspect, PreflightReport)


if __name__ == "__main__":
    sys.exit(main())
