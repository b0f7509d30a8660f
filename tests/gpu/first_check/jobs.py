"""Whole jobs on small models: trained, saved and verified; resumed; out of memory; in float16."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import DEFAULT_CALLBACKS

from deepsynth_tui.training.trainer import DocumentTrainer
from tests.gpu.first_check.report import Report
from tests.gpu.first_check.runs import (
    FAMILIES,
    SAVED,
    STEPS,
    config,
    create,
    has_setting,
    quantized,
    run_here,
    write_rows,
)
from tests.training.conftest import Ran

NEAR = 0.02
"""Relative tolerance of losses: bfloat16 kernels sum in varying order."""
OPTIMIZERS = ("adamw_torch", "adamw_8bit", "paged_adamw_8bit")
LARGE_RANK = 1024  # an optimizer state that is large enough to be paged
TOO_MANY = 512  # rows per batch
FLOAT16: dict[str, Any] = {
    "model__dtype": "float16",
    "training__bf16": False,
    "training__fp16": True,
    "quantization__compute_dtype": "float16",
}


class Interrupted(Exception):
    """Ends training in the middle of a step, as a kill does."""


class SyncCounter(TrainerCallback):
    """Lets PyTorch warn of each wait for the GPU in the last step."""

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Start to warn at the last step."""
        if state.global_step == STEPS - 1 and torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode("warn")

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Stop warning."""
        if torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode("default")


def check_features(report: Report, root: Path) -> None:
    """Train with and without the cache of vision features: the losses are equal."""
    if not has_setting("training.cache_features"):
        report.line("feature cache", None, reason="this version has no training.cache_features")
        return
    data = write_rows(root / "rows")
    for family, make in FAMILIES.items():
        if family == "llama":
            continue
        name = f"feature cache {family}"
        with report.check(name):
            folder = make(root / family)
            ran = {
                cached: run_here(
                    create(root / "home", config(folder, data, training__cache_features=cached))
                )
                for cached in ("off", "on")
            }
            if _completed(report, name, *ran.values()):
                differ = _largest_difference(ran["on"].losses, ran["off"].losses)
                report.line(name, differ < NEAR, largest_difference=differ)


def check_jobs(report: Report, root: Path) -> None:
    """Train every family in 16 and 4 bits with workers, evaluate, save and verify."""
    data = write_rows(root / "rows")
    for family, make in FAMILIES.items():
        folder = make(root / family)
        for bits in (16, 4):
            name = f"job {family} {bits} bit"
            with report.check(name):
                settings = config(
                    folder,
                    data,
                    **quantized(bits),
                    data__eval_fraction=0.2,
                    training__eval_steps=SAVED,
                    training__dataloader_num_workers=2 if bits < 16 else 0,
                )
                with count_syncs() as places:
                    ran = run_here(create(root / "home", settings))
                if not _completed(report, name, ran):
                    continue
                verified = ran.of("done")[-1].data["verification"]
                learned = ran.losses[-1] < ran.losses[0]
                report.line(
                    name,
                    learned and verified["reproduces"] and verified["changes_the_base"],
                    first_loss=ran.losses[0],
                    last_loss=ran.losses[-1],
                    from_trained=verified["from_trained"],
                    from_base=verified["from_base"],
                    waits_in_a_step=sum(places.values()),
                    where=dict(places.most_common(4)),
                )


def check_resume(report: Report, root: Path) -> None:
    """Interrupt a run after its checkpoint and resume it, with each kind of optimizer state."""
    data = write_rows(root / "rows")
    folder = FAMILIES["qwen3_vl"](root / "model")
    for optimizer in OPTIMIZERS:
        name = f"resume {optimizer}"
        with report.check(name):
            rank = LARGE_RANK if optimizer.startswith("paged") and report.on_gpu else 16
            settings = config(folder, data, training__optim=optimizer, lora__r=rank)
            whole = run_here(create(root / "home", settings))
            with interrupted_at(SAVED + 2):
                cut = run_here(create(root / "home", settings))
            resumed = run_here(cut.run, resume=True)
            if _completed(report, name, whole, resumed):
                left = STEPS - SAVED
                differ = _largest_difference(resumed.losses[-left:], whole.losses[-left:])
                report.line(name, cut.exit_code != 0 and differ < NEAR, largest_difference=differ)


def check_out_of_memory(report: Report, root: Path) -> None:
    """Run out of memory: the error says so, and the process can train afterwards."""
    if not report.on_gpu:
        report.line("out of memory", None, reason="needs CUDA")
        return
    with report.check("out of memory"):
        data = write_rows(root / "rows", count=TOO_MANY)
        folder = FAMILIES["qwen3_vl"](root / "model")
        large = config(folder, data, training__per_device_train_batch_size=TOO_MANY)
        torch.cuda.set_per_process_memory_fraction(0.001)
        ran = run_here(create(root / "home", large))
        torch.cuda.set_per_process_memory_fraction(1.0)
        error = ran.of("error")[-1].data
        is_told = ran.exit_code != 0 and error["class"] == "OutOfMemoryError"
        report.line(
            "out of memory", is_told, message=error["message"], advice=error["advice"][:160]
        )
        again = run_here(create(root / "home", config(folder, data)))
        report.line("training after it", again.exit_code == 0)


def check_float16(report: Report, root: Path) -> None:
    """Train as a GPU without bfloat16 has to."""
    data = write_rows(root / "rows")
    for family in ("qwen3_vl", "deepseek_ocr2", "smolvlm"):
        folder = FAMILIES[family](root / family)
        for bits in (16, 4):
            name = f"float16 {family} {bits} bit"
            with report.check(name):
                settings = config(folder, data, **FLOAT16, **quantized(bits))
                ran = run_here(create(root / "home", settings))
                if _completed(report, name, ran):
                    first, last = ran.losses[0], ran.losses[-1]
                    report.line(name, last < first, first_loss=first, last_loss=last)


@contextmanager
def count_syncs() -> Iterator[Counter[str]]:
    """Count the places where the last step of the runs in the block waits for the GPU."""
    places: Counter[str] = Counter()
    callbacks: list[Any] = DEFAULT_CALLBACKS
    callbacks.append(SyncCounter)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield places
    finally:
        callbacks.remove(SyncCounter)
    waits = (warning for warning in caught if "synchroniz" in str(warning.message))
    places.update(f"{Path(wait.filename).name}:{wait.lineno}" for wait in waits)


@contextmanager
def interrupted_at(step: int) -> Iterator[None]:
    """End the runs in the block at the beginning of a step."""
    original: Callable[..., torch.Tensor] = DocumentTrainer.training_step

    def training_step(self: DocumentTrainer, *args: Any, **kwargs: Any) -> torch.Tensor:
        if self.state.global_step >= step:
            raise Interrupted
        return original(self, *args, **kwargs)

    DocumentTrainer.training_step = training_step
    try:
        yield
    finally:
        DocumentTrainer.training_step = original


def _completed(report: Report, name: str, *runs: Ran) -> bool:
    """Report the first run that failed, if any."""
    failed = next((ran for ran in runs if ran.exit_code), None)
    if failed is not None:
        report.line(name, False, error=failed.failure[:300])
    return failed is None


def _largest_difference(losses: list[float], others: list[float]) -> float:
    return max(abs(a - b) / abs(b) for a, b in zip(losses, others, strict=True))
