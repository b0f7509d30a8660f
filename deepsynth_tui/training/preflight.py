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

from deepsynth_tui.config.data import RowSettings
from deepsynth_tui.config.locations import home
from deepsynth_tui.config.precision import float16_changes, no_bfloat16, use_float16
from deepsynth_tui.config.preflight_report import (
    nearest_existing_parent,
    output_dir_problems,
    run_preflight_command,
)
from deepsynth_tui.config.problems import Problem
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.conversations.detect import detect_layout
from deepsynth_tui.conversations.errors import DatasetError
from deepsynth_tui.conversations.peek import peek
from deepsynth_tui.errors import UserError
from deepsynth_tui.estimate.storage import estimate_disk, processor_bytes
from deepsynth_tui.estimate.timing import total_steps
from deepsynth_tui.machine import nvml
from deepsynth_tui.machine.torch_build import installed_torch, unusable_gpu
from deepsynth_tui.models.layout import load_layout
from deepsynth_tui.models.lora_problems import lora_problems
from deepsynth_tui.training.data.dataset_folder import (
    dataset_files,
    dataset_folder,
    may_be_on_hub,
)
from deepsynth_tui.training.data.named_columns import columns_of
from deepsynth_tui.training.init_adapter import find_init_adapter, init_adapter_problems
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
ATTENTION_PACKAGES = {
    "flash_attention_2": ("flash_attn", "kernels"),
    "flash_attention_3": ("flash_attn_interface", "kernels"),
    "kernels-community/flash-attn2": ("kernels",),
    "kernels-community/vllm-flash-attn3": ("kernels",),
}
"""Packages of which one must be installed, by `model.attn_implementation`. Without the first,
transformers loads the kernel of the Hub."""
TRACKER_PACKAGES = ("tensorboard", "trackio", "wandb")  # their names as training.report_to


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a glance at a dataset says; None if it would have to be read.

    `contents` are lines that say how its rows are read, of all datasets where there are several.
    """

    columns: tuple[str, ...] | None = None
    rows: int | None = None
    contents: tuple[str, ...] = ()


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
            "sources": [{"contents": list(self.dataset.contents)}],
        }


def check(config: TrainingConfig) -> list[Problem]:
    """Return every problem that can be found without loading model or dataset."""
    return list(inspect(config).problems)


def inspect(config: TrainingConfig) -> PreflightReport:
    """Check dataset, model, text encoder, packages, logins, GPUs, output folder and disk space."""
    problems: list[Problem] = []
    model = find_model(config.model, problems)
    check_text_encoder(config.text_encoder, problems)
    dataset = _inspect_datasets(config, model, problems)
    problems += _target_problems(config)
    problems += _init_adapter_problems(config)
    problems += _package_problems(config)
    problems += _gpu_problems(config)
    problems += output_dir_problems(config.output.dir) or _disk_problems(
        config, model, dataset.rows
    )
    return PreflightReport(tuple(problems), dataset)


def _inspect_datasets(
    config: TrainingConfig, model: ModelFacts | None, problems: list[Problem]
) -> Dataset:
    """Return the columns of the first dataset, and the rows of all of them."""
    inspected = [
        _inspect_dataset(dataset, f"datasets.{number}." if config.datasets else "data.", model)
        for number, dataset in enumerate(config.all_datasets, start=1)
    ]
    for _, own_problems in inspected:
        problems += own_problems
    if config.data.eval_path:
        problems += _path_problems(config.data.eval_path, "data.eval_path")
    counts = [dataset.rows for dataset, _ in inspected]
    counted = [count for count in counts if count is not None]
    rows = sum(counted) if len(counted) == len(counts) else None
    fraction = config.data.eval_fraction
    if rows and fraction and int(rows * fraction) == 0:
        problems.append(
            Problem(
                "data.eval_fraction",
                f"{fraction:g} of {rows} rows is less than one row",
                f"at least {1 / rows:.3g}, or 0 to hold no rows out",
            )
        )
    contents = tuple(line for dataset, _ in inspected for line in dataset.contents)
    return Dataset(inspected[0][0].columns, rows, contents)


def _inspect_dataset(
    settings: RowSettings, prefix: str, model: ModelFacts | None
) -> tuple[Dataset, list[Problem]]:
    if not settings.path:
        return Dataset(), []  # a rule reports it
    problems = list(_path_problems(settings.path, f"{prefix}path"))
    path = dataset_folder(settings.path) or Path(settings.path).expanduser()
    if problems or not path.exists():
        return Dataset(), problems
    try:
        glance = peek(path, settings.split)
        if glance is None:
            return Dataset(), problems
        layout = detect_layout(glance.schema, columns_of(settings)) if glance.schema else None
    except DatasetError as error:
        key = error.key.replace("data.", prefix, 1)
        message = error.message.removeprefix(f"{error.key}: ")
        return Dataset(), [Problem(key, message, error.advice)]
    columns = tuple(glance.schema)
    if glance.rows == 0:
        problems.append(Problem(f"{prefix}path", "the dataset has no rows", "generate it again"))
    if layout and glance.is_complete and model and model.reads_images and not layout.has_images:
        hint = f"columns: {', '.join(columns)}"
        problems.append(Problem(f"{prefix}image_column", "no column holds images", hint))
    contents = tuple(layout.describe()) if layout else ()
    return Dataset(columns, glance.rows, contents), problems


def _path_problems(path: str, key: str) -> Iterator[Problem]:
    """Yield the problem of a path where nothing is."""
    files = dataset_files(path)
    folder = dataset_folder(path)
    if files is None:
        if not may_be_on_hub(path):
            yield Problem(
                key,
                f"there is no file, no folder and no run {path}",
                "give a folder that `generate` wrote, the id of its run, a file, or a Hub id",
            )
    elif folder is not None and not folder.is_dir():
        yield Problem(key, f"the run {path} has no dataset yet", "wait until it is done")
    elif not files:
        empty = f"{folder} is empty" if folder else f"no file matches {path}"
        yield Problem(key, empty, "generate a dataset")


def _target_problems(config: TrainingConfig) -> list[Problem]:
    """Check LoRA targets if the layout of the model is cached; else `modeling.lora` does later."""
    layout = load_layout(config.model.name_or_path, config.model.revision)
    return lora_problems(layout.names, config.lora, config.model) if layout else []


def _init_adapter_problems(config: TrainingConfig) -> list[Problem]:
    """Check the adapter to start from, unless it is only on the Hub."""
    if not config.lora.init_from:
        return []
    try:
        adapter = find_init_adapter(config.lora.init_from, download=False)
    except UserError as error:
        return [Problem(error.key, error.message.removeprefix(f"{error.key}: "), error.advice)]
    return init_adapter_problems(adapter, config) if adapter else []


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
    attention = config.model.attn_implementation
    packages = ATTENTION_PACKAGES.get(attention, ())
    if packages and not any(map(importlib.util.find_spec, packages)):
        yield Problem(
            "model.attn_implementation",
            f"{attention} needs {' or '.join(packages)}, which {'are' if packages[1:] else 'is'} "
            "not installed",
            "pip install kernels, which downloads a compiled kernel, or choose sdpa",
        )
    pushes = ("push_to_hub", "push_checkpoints")
    if setting := next((name for name in pushes if getattr(config.output, name)), None):
        from huggingface_hub import get_token

        if get_token() is None:
            yield Problem(f"output.{setting}", "there is no Hub login", "run `hf auth login`")


def _gpu_problems(config: TrainingConfig) -> Iterator[Problem]:
    if config.launch.target == "slurm":
        return  # the nodes have other GPUs than this machine
    probe = nvml.probe()
    if unusable := unusable_gpu(probe, installed_torch()):
        yield Problem("training.num_processes", unusable.reason, unusable.advice)
    lacking = [
        device.name
        for device in probe.devices[: config.processes_per_node]
        if device.lacks_bfloat16
    ]
    if lacking and (changes := float16_changes(config)):
        yield Problem("model.dtype", no_bfloat16(lacking[0]), use_float16(changes))
    if shortage := gpu_shortage(config.processes_per_node, probe):
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
