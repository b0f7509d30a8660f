"""What page features save: `python -m tests.benchmarks.page_features [MODEL ...]`.

Takes optimizer steps with pixels and with features that are on disk, in turn, in one process, and
prints medians of CPU seconds: preparing the batch and the step itself. Checks that the losses are
equal to the bit. MODEL is a checkpoint, by default the builtin one and small ones of other
families. Nothing is asserted about time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import set_seed

from deepsynth_tui.builtin import TINY_VLM
from deepsynth_tui.config.load import check_values
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.training.data.collator import ROW_IDS, Collator
from deepsynth_tui.training.data.dataset import load_split
from deepsynth_tui.training.features.cache import PageFeatureCache
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.gradient_checkpointing import enable_gradient_checkpointing
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.silence_libraries import silence_libraries
from deepsynth_tui.units import format_bytes
from tests.builtin.drawn_pages import TEXTS
from tests.training import family_models, small_datasets, small_models

ROUNDS = 9
CPU = torch.device("cpu")
FAMILIES = {
    "DeepSeek-OCR-2": small_models.document_model,
    "SmolVLM": family_models.smolvlm,
    "Qwen2.5-VL": family_models.qwen2_5_vl,
    "Qwen3-VL": small_models.qwen3_vl,
}


def measure(name: str, config: TrainingConfig) -> None:
    """Print the figures of one model."""
    base = load_model_and_processor(config)
    collator = Collator(base, config)
    model = lora.add_adapters(base.model, config).train()
    if config.training.gradient_checkpointing:
        enable_gradient_checkpointing(model)
    rows = load_split(config, images=True).train
    size = config.training.per_device_train_batch_size
    batches = [[rows[i] for i in range(n, n + size)] for n in range(0, len(rows) - size + 1, size)]
    cache = PageFeatureCache.open(base, model, config)

    def step(number: int, features: PageFeatureCache | None) -> tuple[float, float, torch.Tensor]:
        """Return CPU seconds to prepare a batch and to take the step, and the loss."""
        set_seed(number)
        collator.features = features
        start = time.process_time()
        batch: dict[str, Any] = collator(batches[number % len(batches)])
        batch.pop(ROW_IDS)
        prepared = time.process_time()
        model.zero_grad()
        loss = model(**collator.model_inputs(batch, CPU)).loss
        loss.backward()
        return prepared - start, time.process_time() - prepared, loss.detach()

    start = time.process_time()
    for number in range(len(batches)):
        step(number, cache)
    first_pass = time.process_time() - start
    pixels, features = [], []
    for number in range(ROUNDS):
        pixels.append(step(number, None))
        features.append(step(number, cache))
        assert torch.equal(pixels[-1][2], features[-1][2])
    assert cache.encoded == len({key.name for key in cache.store.folder.glob("*/*.safetensors")})
    figures = [
        [median(column) for column in zip(*steps, strict=True)] for steps in (pixels, features)
    ]
    (prepare, take, _), (read, shorter, _) = figures
    of_page = sum(path.stat().st_size for path in cache.store.folder.glob("*/*.safetensors"))
    print(  # noqa: T201 - a report
        f"{name}: pixels {prepare:.3f} + {take:.3f} s, features {read:.3f} + {shorter:.3f} s: "
        f"step x {take / shorter:.2f}, with the batch x {(prepare + take) / (read + shorter):.2f}; "
        f"first pass x {(prepare + take) * len(batches) / first_pass:.2f}; "
        f"{format_bytes(of_page / cache.encoded)} per page"
    )
    cache.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.page_features")
    parser.add_argument("models", nargs="*", help="checkpoints; default: small ones")
    parser.add_argument("--batch", type=int, default=1, help="rows of a batch")
    parser.add_argument("--checkpointing", action="store_true", help="recompute activations")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    silence_libraries()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["DEEPSYNTH_HOME"] = str(root / "home")
        data = small_datasets.write(
            root / "data",
            [small_datasets.paper(i, text, f"text {i}") for i, text in enumerate(TEXTS)],
        )
        models = {name: name for name in arguments.models}
        if not models:
            made = {name: str(make(root / name)) for name, make in FAMILIES.items()}
            models = {TINY_VLM: TINY_VLM, **made}
        for name, path in models.items():
            values = {
                "kind": "training",
                "model": {"name_or_path": path, "dtype": "float32"},
                "data": {"path": str(data), "max_length": 4096},
                "training": {
                    "per_device_train_batch_size": arguments.batch,
                    "bf16": False,
                    "gradient_checkpointing": arguments.checkpointing,
                },
            }
            checked = check_values(values)
            assert isinstance(checked.config, TrainingConfig), checked.problems
            measure(name, checked.config)


if __name__ == "__main__":
    main()
