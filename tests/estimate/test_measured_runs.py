"""What was measured on this machine, and what estimates learn from it."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepsynth_tui.estimate import measured_runs
from deepsynth_tui.estimate.measured_runs import MeasuredRun
from deepsynth_tui.estimate.process_overhead import PUBLISHED_OVERHEAD
from deepsynth_tui.runs.estimate_vs_measured import Measured, Predicted
from tests.estimate.models import configure

GIB = 2**30
BYTES = st.integers(0, 200 * GIB)
SECONDS = st.none() | st.floats(1e-3, 1e4)
RECORDS = st.builds(
    MeasuredRun,
    when=st.floats(0, 1e10),
    gpu=st.sampled_from(["NVIDIA A100-SXM4-80GB", "Tesla T4"]),
    driver=st.text(max_size=8),
    torch=st.sampled_from([metadata.version("torch"), "1.0.0"]),
    transformers=st.text(max_size=8),
    model=st.text(),
    settings=st.text(max_size=4),
    longest=st.integers(0, 10**6),
    ran_out=st.booleans(),
    predicted=st.builds(
        Predicted,
        allocated=BYTES,
        device=BYTES,
        seconds_per_step=SECONDS,
        source=st.text(max_size=9),
        held_back=st.none() | BYTES,
    ),
    measured=st.builds(
        Measured,
        **{
            name: st.none() | BYTES
            for name in ("allocated", "reserved", "device", "host", "first_step", "steady")
        },
        seconds_per_step=SECONDS,
        steps=st.integers(0, 10**6),
    ),
)


def ran(**changes: Any) -> MeasuredRun:
    """A run that took 20 GiB, in a cache of 22 where 24 were expected, and 22.5 of the device."""
    measured = Measured(
        allocated=20 * GIB,
        reserved=22 * GIB,
        device=22 * GIB + GIB // 2,
        steady=12 * GIB,
        seconds_per_step=3.0,
        steps=10,
    )
    record = MeasuredRun(
        when=1.0,
        gpu="NVIDIA A100-SXM4-80GB",
        kind="A100 (80GB)",
        driver="580.1",
        torch=metadata.version("torch"),
        transformers="5.23.0",
        model="m",
        settings="x",
        longest=512,
        ran_out=False,
        predicted=Predicted(20 * GIB, 25 * GIB, 2.0, held_back=4 * GIB),
        measured=measured,
    )
    return replace(record, **changes)


def took(**figures: Any) -> MeasuredRun:
    return ran(measured=replace(ran().measured, **figures))


def test_no_history_corrects_nothing():
    assert measured_runs.read_runs() == ()
    assert measured_runs.measured_overhead() is PUBLISHED_OVERHEAD
    assert measured_runs.step_time_ratios() == {}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=st.lists(RECORDS, max_size=4), cut=st.integers(0, 4000))
def test_what_is_written_is_read_up_to_where_the_file_ends(home: Path, runs: list, cut: int):
    measured_runs.history_path().unlink(missing_ok=True)
    for run in runs:
        measured_runs.append_run(run)
    assert list(measured_runs.read_runs()) == runs
    if not runs:
        return
    whole = measured_runs.history_path().read_bytes()
    measured_runs.history_path().write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n")
    left = measured_runs.read_runs()
    # A line is whole before its end is written.
    assert list(left) in (runs[:kept], runs[: kept + 1])
    measured_runs.append_run(runs[0])
    assert measured_runs.read_runs() == (*left, runs[0])


@given(st.binary(max_size=200))
def test_a_line_that_is_no_record_is_passed_over(junk: bytes):
    measured_runs.history_path().parent.mkdir(parents=True, exist_ok=True)
    measured_runs.history_path().write_bytes(junk + b"\n[]\n{}\n\xff\n")
    assert measured_runs.read_runs() == ()


def test_what_later_versions_add_is_tolerated():
    measured_runs.append_run(ran())
    said = json.loads(measured_runs.history_path().read_bytes())
    said |= {"v": 2, "weather": "fair", "predicted": said["predicted"] | {"low": 1}}
    measured_runs.history_path().write_text(json.dumps(said) + "\n")
    assert measured_runs.read_runs() == (ran(),)


@pytest.mark.parametrize("field", ["torch", "when", "longest", "predicted", "measured"])
def test_a_field_of_the_wrong_type_makes_no_record(field: str):
    measured_runs.append_run(ran())
    said = json.loads(measured_runs.history_path().read_bytes())
    measured_runs.history_path().write_text(json.dumps(said | {field: [1]}) + "\n")
    assert measured_runs.read_runs() == ()


def test_the_overhead_is_what_was_measured():
    for _ in range(measured_runs.LEAST_RUNS):
        assert measured_runs.measured_overhead() is PUBLISHED_OVERHEAD
        measured_runs.append_run(ran())
    learned = measured_runs.measured_overhead()
    assert learned.context == GIB // 2
    assert learned.cached_ratio == pytest.approx(2 / 4)
    assert learned.total(8 * GIB) == pytest.approx(4.5 * GIB)


def test_an_allocator_that_held_nothing_back():
    measured_runs.append_run(took(reserved=20 * GIB))
    measured_runs.append_run(took(reserved=20 * GIB))
    assert measured_runs.measured_overhead().cached_ratio == 0


def test_one_odd_run_moves_nothing():
    for _ in range(4):
        measured_runs.append_run(ran())
    usual = measured_runs.measured_overhead()
    measured_runs.append_run(took(device=80 * GIB, reserved=79 * GIB, seconds_per_step=600.0))
    assert measured_runs.measured_overhead() == usual
    assert measured_runs.step_time_ratios() == {"A100 (80GB)": pytest.approx(1.5)}


@pytest.mark.parametrize(
    "other",
    [
        ran(ran_out=True),
        took(device=None),
        took(allocated=None),
        ran(predicted=Predicted(20 * GIB, 23 * GIB, 2.0)),
        took(device=GIB),
        ran(gpu="Tesla T4"),
        ran(torch="1.13.0"),
    ],
    ids=[
        "out of memory",
        "no device",
        "not allocated",
        "nothing computed",
        "others",
        "GPU",
        "PyTorch",
    ],
)
def test_runs_that_tell_nothing_of_this_overhead_do_not_count(other: MeasuredRun):
    measured_runs.append_run(ran())
    measured_runs.append_run(other)
    assert measured_runs.measured_overhead("NVIDIA A100-SXM4-80GB") is PUBLISHED_OVERHEAD


@given(st.lists(RECORDS, max_size=30))
def test_a_correction_lies_within_what_was_measured(runs: list[MeasuredRun]):
    learned = measured_runs.overhead_from_runs(runs)
    if learned is PUBLISHED_OVERHEAD:
        return
    gaps = [
        run.measured.device - run.measured.reserved
        for run in runs
        if run.measured.device is not None and run.measured.reserved is not None
    ]
    assert 0 <= learned.context <= max(gaps)
    assert learned.cached_ratio >= 0


def test_pace_is_that_of_the_gpu_asked_for():
    for _ in range(measured_runs.LEAST_RUNS):
        measured_runs.append_run(
            ran(gpu="Tesla T4", kind="T4 (16GB)", predicted=Predicted(1, 1, 12.0))
        )
    measured_runs.append_run(ran(gpu="a card of no catalogue", kind=""))
    assert measured_runs.step_time_ratios() == {"T4 (16GB)": 0.25}


def test_a_configuration_that_ran_is_known_again():
    config = configure(model={"name_or_path": "m"})
    measured_runs.append_run(ran(settings=measured_runs.memory_fingerprint(config)))
    measured_runs.append_run(ran(settings=measured_runs.memory_fingerprint(config), when=2.0))
    again = config.model_copy(update={"name": "other", "lora": config.lora.model_copy()})
    found = measured_runs.find_measured_run(again, 512)
    assert found is not None
    assert found.when == 2.0
    assert measured_runs.find_measured_run(config, 513) is None
    assert measured_runs.find_measured_run(config, 512, "Tesla T4") is None


def test_only_what_changes_memory_changes_the_fingerprint():
    plain = measured_runs.memory_fingerprint(configure())
    same = [
        {"lora": {"lora_alpha": 64}},
        {"training": {"learning_rate": 1e-5}},
        {"data": {"path": "elsewhere"}},
        {"quantization": {"enabled": False, "bits": 8}},
    ]
    others = [
        {"lora": {"r": 4}},
        {"model": {"max_pixels": 100}},
        {"quantization": {"enabled": True}},
        {"training": {"per_device_train_batch_size": 2}},
        {"training": {"optim": "adafactor"}},
    ]
    assert {measured_runs.memory_fingerprint(configure(**change)) for change in same} == {plain}
    assert (
        len({plain, *(measured_runs.memory_fingerprint(configure(**change)) for change in others)})
        == 6
    )


def test_builds_of_one_release_are_alike():
    assert (
        measured_runs.minor_version("2.13.0+cu130")
        == measured_runs.minor_version("2.13.1")
        == "2.13"
    )
