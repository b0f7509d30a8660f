"""The memory of an evaluation covers what generating answers allocates."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from deepsynth_tui.estimate.closed_form import estimate
from deepsynth_tui.estimate.memory.evaluation import evaluation_bytes
from deepsynth_tui.estimate.memory.stack_version import INSTALLED
from deepsynth_tui.estimate.memory.trainable import count_trainable
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.training.simulation.memory_tracker import MemoryTracker
from tests.estimate.models import configure, layout_of, shipped
from tests.training.simulation.models import TEXT, architecture
from tests.training.simulation.test_step import TrackedRealTensors

QWEN = "Qwen/Qwen3-VL-2B-Instruct"
ROWS, PROMPT, ANSWER = 4, 256, 64
HELD_OUT = {"eval_fraction": 0.1}


def test_generating_takes_no_more_than_the_estimate():
    model_config = architecture("llama").config
    model: Any = AutoModelForCausalLM.from_config(model_config, dtype=torch.bfloat16)
    tracker = MemoryTracker(TEXT["vocab_size"])
    tracker.assign([*model.parameters(), *model.buffers()], "weights")
    weights = sum(tracker.live.values())
    ids = torch.ones(ROWS, PROMPT, dtype=torch.long)
    with torch.no_grad(), TrackedRealTensors(tracker):
        model.generate(ids, max_new_tokens=ANSWER, min_new_tokens=ANSWER, use_cache=True)
    measured = tracker.peak - weights

    config = configure(data=HELD_OUT, training={"per_device_eval_batch_size": ROWS})
    layout = layout_of("llama", architecture("llama"), "model")
    trainable = count_trainable(config, layout)
    computed = evaluation_bytes(config, layout, trainable, None, PROMPT + ANSWER, INSTALLED)
    assert measured <= computed <= 2 * measured


@pytest.mark.parametrize(("data", "grows"), [(HELD_OUT, True), ({}, False)], ids=str)
def test_larger_batches_need_more_memory_only_in_runs_that_evaluate(
    data: dict[str, Any], grows: bool
):
    def peaks(rows: int) -> tuple[int, int, tuple[str, ...]]:
        config = configure(data=data, training={"per_device_eval_batch_size": rows})
        computed = estimate(config, shipped(QWEN), gpus=(), dataset=RowStatistics(lengths=(2048,)))
        return computed.peak_evaluation, computed.needed, computed.warnings

    few, many = peaks(1), peaks(64)
    assert (many[0] > few[0]) is grows
    assert (many[1] > few[1]) is grows
    assert any("batches of 64" in warning for warning in many[2]) is grows
