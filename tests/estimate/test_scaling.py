"""Memory and time on several nodes."""

from __future__ import annotations

from typing import Any

import pytest

from deepsynth_tui.errors import UserError
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.scaling import (
    LINKS,
    Links,
    Scaling,
    all_gather_bytes,
    all_reduce_bytes,
    scale,
)
from deepsynth_tui.estimate.scaling_text import parse_bandwidth, parse_nodes, scaling_lines
from deepsynth_tui.machine.gpu_catalogue import load_catalogue
from tests.estimate import models
from tests.estimate.models import configure

DENSE = "Qwen/Qwen3-VL-4B-Instruct"
A100 = next(gpu for gpu in load_catalogue() if gpu.name == "A100 (80GB)")
FAST = Links(LINKS["nvlink3"], LINKS["ib-hdr"])


def scaling(*nodes: int, links: Links = FAST, gpus_per_node: int = 8, **training: Any) -> Scaling:
    settings = {"max_steps": 100, "gradient_accumulation_steps": 8, "num_processes": 8, **training}
    return scale(
        configure(training=settings),
        EstimateInputs(models.shipped(DENSE)),
        A100,
        nodes=nodes,
        gpus_per_node=gpus_per_node,
        links=links,
    )


def test_volumes() -> None:
    assert all_reduce_bytes(1000, 1) == 0
    assert all_reduce_bytes(1000, 2) == 1000
    assert all_reduce_bytes(1000, 4) == 1500
    assert all_gather_bytes(1000, 1, 3) == 0
    assert all_gather_bytes(1000, 4, 3) == 4500  # two passes of three batches


def test_a_step_takes_the_same_rows_on_all_nodes() -> None:
    result = scaling(1, 2, 4, 8, 16)
    assert result.rows_per_step == 64
    accumulations = [row.gradient_accumulation_steps for row in result.estimates]
    assert [(row.nodes, row.gpus) for row in result.estimates] == [
        (1, 8),
        (2, 16),
        (4, 32),
        (8, 64),
    ]
    assert accumulations == [8, 4, 2, 1]
    assert list(result.impossible) == [16]
    assert "batches of 1 on 128 GPUs" in result.impossible[16]


def test_the_gradients_of_the_adapters_are_averaged_once_a_step() -> None:
    result = scaling(1, 2, 8)  # on eight nodes without accumulation
    estimate = EstimateInputs(models.shipped(DENSE)).estimate_on(configure(), ())
    for row in result.estimates:
        expected = 2 * (row.gpus - 1) / row.gpus * 4 * estimate.trainable_params
        assert row.all_reduce == pytest.approx(expected, rel=1e-6)
        assert row.all_gather == 0


def test_fsdp_gathers_the_layers_twice_for_each_batch() -> None:
    one, two = scaling(1, 2, fsdp=True).estimates
    # Half the batches per GPU, of nearly the same bytes each.
    assert one.all_gather / two.all_gather == pytest.approx(2 * (7 / 8) / (15 / 16))
    without = scaling(1).estimates[0]
    assert one.needed < without.needed
    # 4 billion parameters in bfloat16, most of them in the layers, 16 passes.
    assert 16 * 5e9 < one.all_gather < 16 * 9e9


def test_the_network_counts_only_between_nodes() -> None:
    slow = Links(LINKS["nvlink3"], LINKS["1gbe"])
    one, two = scaling(1, 2, links=slow).estimates
    fast_one, fast_two = scaling(1, 2).estimates
    assert one.communication_seconds == fast_one.communication_seconds
    assert two.communication_seconds == pytest.approx(
        fast_two.communication_seconds * LINKS["ib-hdr"] / LINKS["1gbe"]
    )
    assert two.seconds == (
        max(two.compute_seconds, two.communication_seconds),
        two.compute_seconds + two.communication_seconds,
    )


def test_more_nodes_stop_helping_where_the_network_is_slow() -> None:
    assert scaling(1, 2, 4, 8).largest_helpful == 8
    slow = scaling(1, 2, 4, 8, links=Links(LINKS["pcie4"], LINKS["1gbe"]), fsdp=True)
    assert slow.largest_helpful == 1
    text = "\n".join(scaling_lines(slow))
    assert "Up to 1 nodes" not in text
    assert "More nodes than 1 are not faster." in text


def test_cost_is_that_of_all_gpus() -> None:
    (row,) = scaling(2).estimates
    assert row.hours == pytest.approx(100 * row.seconds[1] / 3600)
    assert row.hours is not None
    assert A100.price_per_hour is not None
    assert row.cost == pytest.approx(row.hours * A100.price_per_hour * 16)


def test_texts() -> None:
    assert parse_nodes("1, 2,4") == [1, 2, 4]
    assert parse_bandwidth("12.5") == LINKS["100gbe"] == parse_bandwidth("100GbE")
    for bad in ("", "1,,2", "0", "two"):
        with pytest.raises(UserError):
            parse_nodes(bad)
    for bad in ("", "fast", "0", "-1", "nan", "inf"):
        with pytest.raises(UserError):
            parse_bandwidth(bad)
