"""Steps at real size: seconds, data wait and memory against the estimate, by setting."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.benchmarks import page_rows, random_checkpoint
from tests.gpu.first_check.report import Report
from tests.gpu.first_check.runs import FAMILIES, config, create, has_setting, run_process
from tests.training.conftest import Ran

SIDE, ANSWER = 1024, 700  # pixels of a page; characters, which are tokens here
ROWS, STEPS = 24, 6  # 8 rows a step: two passes over the rows

VARIANTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("by default", {}),
    ("features cached", {"training__cache_features": "on"}),
    ("features not cached", {"training__cache_features": "off"}),
    ("no workers", {"training__dataloader_num_workers": 0}),
    ("4 bit", {"quantization__enabled": True}),
    (
        "4 bit, every tower",
        {
            "quantization__enabled": True,
            "quantization__towers": ["language", "vision", "projector"],
        },
    ),
    ("kept activations", {"training__gradient_checkpointing": False}),
)


def check_deepseek(report: Report, root: Path) -> None:
    """Train the default model at its real size."""
    _compare_variants(report, root, random_checkpoint.DEEPSEEK, "deepseek_ocr2")


def check_qwen(report: Report, root: Path) -> None:
    """Train Qwen3-VL-2B at its real size."""
    _compare_variants(report, root, random_checkpoint.QWEN3, "qwen3_vl")


def _compare_variants(report: Report, root: Path, name: str, family: str) -> None:
    """Run the job once for each variant whose settings this version has.

    Without CUDA, the small model of the family takes two steps, so that the check itself is tried.
    """
    if report.on_gpu:
        rows, steps, accumulation, side = ROWS, STEPS, 8, SIDE
        folder = random_checkpoint.write(root / "model", name)
    else:
        rows, steps, accumulation, side = 4, 2, 2, 256
        folder = FAMILIES[family](root / "model")
    data = page_rows.write(root / "rows", rows, width=side, height=side, answer=ANSWER)
    for variant, changes in VARIANTS:
        if not all(has_setting(key.replace("__", ".")) for key in changes):
            continue
        check = f"{family} {variant}"
        with report.check(check):
            settings = config(
                folder,
                data,
                lora__lora_dropout=0.05,
                training__per_device_train_batch_size=1,
                training__gradient_accumulation_steps=accumulation,
                training__max_steps=steps,
                training__save_steps=steps,
                training__learning_rate=1e-4,
                **changes,
            )
            ran = run_process(create(root / "home", settings))
            report.line(check, ran.exit_code == 0, **figures(ran))
            shutil.rmtree(ran.run.checkpoints, ignore_errors=True)


def figures(ran: Ran) -> dict[str, Any]:
    """Return what a run measured, and what was estimated for it; sizes in GiB."""
    if ran.exit_code:
        return {"error": ran.failure[:300]}
    measured = ran.of("measured")[-1].data
    waits = [event.data["data_wait"] for event in ran.of("metric") if "data_wait" in event.data]
    steps = [event.t for event in ran.of("metric") if "loss" in event.data]
    started = ran.of("phase")[0].t
    shown: dict[str, Any] = {
        "s_per_step": measured["seconds_per_step"],
        "data_wait": waits[-1] if waits else None,
        "first_step_after_s": steps[0] - started,
        "first_loss": ran.losses[0],
        "last_loss": ran.losses[-1],
    }
    predicted = ran.of("predicted")[-1].data if ran.of("predicted") else {}
    for name in ("allocated", "device"):
        if measured.get(name):
            shown[f"{name}_gib"] = measured[name] / 2**30
        if predicted.get(name):
            shown[f"estimated_{name}_gib"] = predicted[name] / 2**30
    loading = [event.data["loading"] for event in ran.of("memory") if "loading" in event.data]
    if loading:
        shown["loading_gib"] = loading[0] / 2**30
    return shown
