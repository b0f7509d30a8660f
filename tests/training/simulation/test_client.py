"""A simulation in a child process, and the estimate with its result."""

from __future__ import annotations

import pytest

from deepsynth_tui.estimate.closed_form import estimate
from deepsynth_tui.estimate.memory.run_memory import MemoryItem
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.machine.gpu_catalogue import Fit, Gpu
from deepsynth_tui.training.simulation.client import SimulationError, request_simulation
from deepsynth_tui.training.simulation.simulated_estimate import SimulatedMemory
from deepsynth_tui.units import GIB
from tests.estimate.models import configure, layout

SMALL_GPU = Gpu(
    name="small",
    memory_gib=4,
    usable_gib=3.9,
    bandwidth_gbs=300,
    tflops=10,
    bfloat16=False,
    price_per_hour=None,
    price_source=None,
)
FACTS = RowStatistics(lengths=(100, 200))


def test_a_child_process_simulates():
    config = configure(model={"name_or_path": "builtin:tiny-vlm"})
    memory = request_simulation(config, FACTS)
    assert memory.allocated == sum(memory.parts.values())
    assert memory.parts["weights"] > 0
    assert memory.parts["activations"] > 0
    assert 0 < memory.seconds < 60


def test_a_refusal_has_advice():
    with pytest.raises(SimulationError) as refused:
        request_simulation(configure(model={"name_or_path": "nobody/nothing"}), FACTS)
    assert "nobody/nothing is not on this machine" in refused.value.message
    assert "builtin:tiny-vlm" in refused.value.advice


def test_the_estimate_has_the_simulated_memory():
    computed = estimate(configure(), layout("qwen3_vl"), gpus=(SMALL_GPU,))
    assert computed.gpus[0].fit is Fit.FITS
    parts: dict[MemoryItem, int] = {
        "weights": 2 * GIB,
        "adapters": 5,
        "gradients": 5,
        "optimizer": 10,
        "activations": 3 * GIB,
        "logits": 7,
    }
    allocated = sum(parts.values())
    memory = SimulatedMemory(
        allocated,
        reserved=allocated + 3 * GIB,
        min_capacity=allocated + GIB,
        parts=parts,
        notes=("A note.",),
        seconds=1.0,
    )
    simulated = memory.apply(computed)
    assert simulated.source == "simulated"
    assert simulated.peak_allocated == allocated
    assert {item: simulated.breakdown[item] for item in parts} == parts
    context = computed.overhead.context
    assert simulated.breakdown["overhead"] == context + GIB
    assert simulated.needed == allocated + context + GIB
    assert simulated.cached == 3 * GIB
    assert simulated.peak_device == allocated + context + 3 * GIB
    assert simulated.gpus[0].device == SMALL_GPU.usable_bytes, "no more than there is"
    assert simulated.gpus[0].fit is Fit.NO
    assert simulated.gpus[0].headroom == SMALL_GPU.usable_bytes - simulated.needed
    assert simulated.warnings == (*computed.warnings, "A note.")
    assert simulated.trainable_params == computed.trainable_params
    assert simulated.gpus[0].seconds_per_step == computed.gpus[0].seconds_per_step
