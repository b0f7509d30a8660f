"""The history of measured runs, and the corrections that estimates derive from it."""

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
from deepsynth_tui.estimate.checkpointing import with_checkpointing
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


def measured_run(**changes: Any) -> MeasuredRun:
    """Return a run: 20 GiB allocated, 22 GiB reserved (24 predicted), 22.5 GiB on the device."""
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


def measured_run_with(**figures: Any) -> MeasuredRun:
    return measured_run(measured=replace(measured_run().measured, **figures))


def test_without_history_there_is_no_correction():
    assert measured_runs.read_runs() == ()
    assert measured_runs.measured_overhead() is PUBLISHED_OVERHEAD
    assert measured_runs.step_time_ratios() == {}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=st.lists(RECORDS, max_size=4), cut=st.integers(0, 4000))
def test_a_truncated_history_keeps_its_complete_lines(home: Path, runs: list, cut: int):
    measured_runs.history_path().unlink(missing_ok=True)
    for run in runs:
        measured_runs.append_run(run)
    assert list(measured_runs.read_runs()) == runs
    if not runs:
        return
    whole = measured_runs.history_path().read_bytes()
    measured_runs.history_path().write_bytes(whole[:cut])
    complete = whole[:cut].count(b"\n")
    remaining = measured_runs.read_runs()
    # A record is complete before its line break is written.
    assert list(remaining) in (runs[:complete], runs[: complete + 1])
    measured_runs.append_run(runs[0])
    assert measured_runs.read_runs() == (*remaining, runs[0])


@given(st.binary(max_size=200))
def test_invalid_lines_are_ignored(junk: bytes):
    measured_runs.history_path().parent.mkdir(parents=True, exist_ok=True)
    measured_runs.history_path().write_bytes(junk + b"\n[]\n{}\n\xff\n")
    assert measured_runs.read_runs() == ()


def test_fields_of_later_versions_are_ignored():
    measured_runs.append_run(measured_run())
    record = json.loads(measured_runs.history_path().read_bytes())
    record |= {"v": 2, "weather": "fair", "predicted": record["predicted"] | {"low": 1}}
    measured_runs.history_path().write_text(json.dumps(record) + "\n")
    assert measured_runs.read_runs() == (measured_run(),)


@pytest.mark.parametrize("field", ["torch", "when", "longest", "predicted", "measured"])
def test_a_record_with_a_wrong_type_is_ignored(field: str):
    measured_runs.append_run(measured_run())
    record = json.loads(measured_runs.history_path().read_bytes())
    measured_runs.history_path().write_text(json.dumps(record | {field: [1]}) + "\n")
    assert measured_runs.read_runs() == ()


def test_the_overhead_is_measured_after_enough_runs():
    for _ in range(measured_runs.MIN_RUNS):
        assert measured_runs.measured_overhead() is PUBLISHED_OVERHEAD
        measured_runs.append_run(measured_run())
    overhead = measured_runs.measured_overhead()
    assert overhead.context == GIB // 2
    assert overhead.cached_ratio == pytest.approx(2 / 4)
    assert overhead.total(8 * GIB) == pytest.approx(4.5 * GIB)


def test_the_cached_ratio_is_zero_if_nothing_was_cached():
    measured_runs.append_run(measured_run_with(reserved=20 * GIB))
    measured_runs.append_run(measured_run_with(reserved=20 * GIB))
    assert measured_runs.measured_overhead().cached_ratio == 0


def test_an_outlier_changes_no_correction():
    for _ in range(4):
        measured_runs.append_run(measured_run())
    usual = measured_runs.measured_overhead()
    measured_runs.append_run(
        measured_run_with(device=80 * GIB, reserved=79 * GIB, seconds_per_step=600.0)
    )
    assert measured_runs.measured_overhead() == usual
    assert measured_runs.step_time_ratios() == {"A100 (80GB)": pytest.approx(1.5)}


@pytest.mark.parametrize(
    "other",
    [
        measured_run(ran_out=True),
        measured_run_with(device=None),
        measured_run_with(allocated=None),
        measured_run(predicted=Predicted(20 * GIB, 23 * GIB, 2.0)),
        measured_run_with(device=GIB),
        measured_run(gpu="Tesla T4"),
        measured_run(torch="1.13.0"),
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
def test_runs_that_do_not_apply_are_not_counted(other: MeasuredRun):
    measured_runs.append_run(measured_run())
    measured_runs.append_run(other)
    assert measured_runs.measured_overhead("NVIDIA A100-SXM4-80GB") is PUBLISHED_OVERHEAD


@given(st.lists(RECORDS, max_size=30))
def test_a_correction_is_within_the_measured_range(runs: list[MeasuredRun]):
    overhead = measured_runs.overhead_from_runs(runs)
    if overhead is PUBLISHED_OVERHEAD:
        return
    gaps = [
        run.measured.device - run.measured.reserved
        for run in runs
        if run.measured.device is not None and run.measured.reserved is not None
    ]
    assert 0 <= overhead.context <= max(gaps)
    assert overhead.cached_ratio >= 0


def test_step_time_ratios_are_by_catalogue_gpu():
    for _ in range(measured_runs.MIN_RUNS):
        measured_runs.append_run(
            measured_run(gpu="Tesla T4", kind="T4 (16GB)", predicted=Predicted(1, 1, 12.0))
        )
    measured_runs.append_run(measured_run(gpu="a card of no catalogue", kind=""))
    assert measured_runs.step_time_ratios() == {"T4 (16GB)": 0.25}


def test_the_last_run_of_a_configuration_is_found():
    config = configure(model={"name_or_path": "m"})
    settings = measured_runs.memory_fingerprint(with_checkpointing(config, value=False))
    measured_runs.append_run(measured_run(settings=settings))
    measured_runs.append_run(measured_run(settings=settings, when=2.0))
    again = config.model_copy(update={"name": "other", "lora": config.lora.model_copy()})
    run = measured_runs.find_measured_run(again, 512)
    assert run is not None
    assert run.when == 2.0
    assert measured_runs.find_measured_run(config, 513) is None
    assert measured_runs.find_measured_run(config, 512, "Tesla T4") is None


def test_only_memory_settings_change_the_fingerprint():
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


def test_builds_of_a_release_have_the_same_minor_version():
    assert (
        measured_runs.minor_version("2.13.0+cu130")
        == measured_runs.minor_version("2.13.1")
        == "2.13"
    )
