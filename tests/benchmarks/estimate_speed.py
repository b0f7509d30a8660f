"""How long one estimate takes: ``python tests/benchmarks/estimate_speed.py``.

Prints milliseconds, and as a ratio to parsing the same profile's JSON, which says the same on a
slow machine as on a fast one. Nothing is asserted. Profiles come from the cache or are built.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.closed_form import estimate
from deepsynth_tui.machine.gpu_catalogue import load_catalogue
from deepsynth_tui.models.layout import ModelLayout
from deepsynth_tui.models.layout_client import request_layout

MODELS = (
    "deepseek-community/DeepSeek-OCR-2",
    "Qwen/Qwen3-VL-8B-Instruct",
    "Qwen/Qwen2.5-VL-7B-Instruct",
)
SUFFIXES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
CONFIGS = {
    "all-linear": {},
    "seven suffixes": {"lora": {"target_modules": SUFFIXES}},
    "4 bits": {"quantization": {"enabled": True}},
    "biases": {"lora": {"bias": "all"}},
    "full": {"lora": {"enabled": False}},
}
REPEATS = 200


def milliseconds(work: Callable[[], object]) -> float:
    """The best of `REPEATS` calls."""
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return 1000 * best


def main() -> None:
    gpus = load_catalogue()
    for name in MODELS:
        profile = request_layout(name)
        text = json.dumps(profile.to_json())
        parsing = milliseconds(lambda text=text: ModelLayout.from_json(json.loads(text)))
        print(f"{name}: parsing its profile takes {parsing:.2f} ms")  # noqa: T201 - a report
        for label, sections in CONFIGS.items():
            config = TrainingConfig.model_validate(sections)
            took = milliseconds(lambda c=config, p=profile: estimate(c, p, gpus=gpus))
            print(f"  {label:<16}{took:6.2f} ms  {took / parsing:5.2f} x")  # noqa: T201


if __name__ == "__main__":
    main()
