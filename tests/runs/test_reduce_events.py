"""Reducing events to the state of a run."""

from __future__ import annotations

from itertools import count, pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.runs.estimate_vs_measured import Measured, Predicted
from deepsynth_tui.runs.events import UNREADABLE, Event
from deepsynth_tui.runs.reduce_events import MAX_POINTS, RESUMED, WINDOW_POINTS, fold
from deepsynth_tui.runs.state import (
    Checkpoint,
    Drawn,
    ErrorReport,
    Gpu,
    Memory,
    Phase,
    Progress,
    RunState,
    WarningCount,
    eta_seconds,
    throughput,
)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 9)
    | st.just(10**400)
    | st.floats()
    | st.sampled_from(["starting", "resumed", "training", "steps", "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)
KINDS = [
    "phase",
    "progress",
    "metric",
    "memory",
    "estimate",
    "measured",
    "sample",
    "checkpoint",
    "warning",
    "error",
    "done",
    "drawn",
    "page",
    "unheard of",
]
NAMES = [
    "name",
    "detail",
    "step",
    "done",
    "total",
    "unit",
    "loss",
    "epoch",
    "nonfinite",
    "host",
    "host_peak",
    "allocated",
    "device",
    "steps",
    "path",
    "message",
    "verdict",
    "input",
]
ANYTHING = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4),
        st.floats(0, 5),
    ),
    max_size=30,
)


def log(*events: tuple[str, dict] | tuple[str, dict, float]) -> list[Event]:
    """Return events as in a log, by default a second apart."""
    t, logged = 1000.0, []
    for seq, (kind, data, *gap) in zip(count(1), events, strict=False):
        t += gap[0] if gap else 1.0
        logged.append(Event(seq, t, kind, data))
    return logged


def of(*events: tuple[str, dict] | tuple[str, dict, float]) -> RunState:
    return fold(RunState(), log(*events))


@given(ANYTHING, st.lists(st.integers(0, 30)))
def test_batch_sizes_do_not_matter_and_nothing_raises(events: list, cuts: list[int]):
    logged = log(*events)
    at_once = fold(RunState(), logged)
    state = RunState()
    edges = [0, *sorted(cuts), len(logged)]
    for start, end in pairwise(edges):
        state = fold(state, logged[start:end])
    assert repr(state) == repr(at_once)
    assert fold(state, logged) == state
    throughput(state)
    eta_seconds(state)


def test_fold_does_not_change_its_argument():
    before = of(("metric", {"step": 1, "loss": 2.0}))
    fold(before, [Event(2, 0.0, "metric", {"step": 2, "loss": 1.0})])
    assert before.series["loss"] == ((1, 2.0),)


def test_metrics():
    state = of(
        ("metric", {"step": 1, "epoch": 0.1, "loss": 3.0, "learning_rate": 1e-4}),
        ("metric", {"step": 2, "epoch": 0.2, "loss": 2, "flag": True, "note": "x"}),
        ("metric", {"step": 2, "learning_rate": 5e-5}),
        ("metric", {"step": 2, "eval_loss": 2.5}),
    )
    assert state.series == {
        "loss": ((1, 3.0), (2, 2.0)),
        "learning_rate": ((1, 1e-4), (2, 5e-5)),
        "eval_loss": ((2, 2.5),),
    }
    assert (state.step, state.epoch, state.learning_rate) == (2, 0.2, 5e-5)
    assert (state.first_loss, state.last_loss) == (3.0, 2.0)


def test_a_metric_without_a_step_belongs_to_the_last_one() -> None:
    assert of(("metric", {"loss": 3.0})).series == {"loss": ((0, 3.0),)}
    state = of(("metric", {"step": 7, "loss": 3.0}), ("metric", {"eval_loss": 2.0}))
    assert state.series["eval_loss"] == ((7, 2.0),)


def test_a_thinned_series_goes_on_after_all_but_its_first_point_were_discarded() -> None:
    thinned = RunState(series={"loss": ((1, 5.0),)}, series_widths={"loss": 4})
    steps = [Event(step, 0.0, "metric", {"step": step, "loss": 6.0 - step}) for step in (2, 3, 4)]
    assert fold(thinned, steps[:1]).series["loss"] == ((1, 5.0), (2, 4.0))
    assert fold(thinned, steps).series["loss"] == ((1, 5.0), (2, 4.0), (3, 3.0), (4, 2.0))


def test_nonfinite_loss_is_a_warning_and_not_a_point():
    nan = {"loss": None, "nonfinite": {"loss": "nan"}}
    state = of(
        ("metric", {"step": 1, "loss": 3.0}),
        *(("metric", {"step": step, **nan}) for step in (2, 3, 4)),
    )
    assert state.series["loss"] == ((1, 3.0),)
    assert state.warnings == (WarningCount("loss was nan", 1002.0, 2, 3),)


def test_resuming_discards_what_came_after_the_checkpoint():
    state = of(
        *(("metric", {"step": step, "loss": float(step)}) for step in range(1, 9)),
        ("metric", {"step": 6, "eval_loss": 6.0}),
        ("checkpoint", {"path": "checkpoints/4", "step": 4}),
        ("checkpoint", {"path": "checkpoints/8", "step": 8}),
        ("phase", {"name": "starting"}),
        ("phase", {"name": "resumed", "step": 4}),
    )
    assert state.step == 4
    assert [step for step, _ in state.series["loss"]] == [1, 2, 3, 4]
    assert state.series["eval_loss"] == ()
    assert state.checkpoints == (Checkpoint("checkpoints/4", 4),)
    state = fold(state, [Event(99, 0.0, "metric", {"step": 5, "loss": 50.0})])
    assert state.series["loss"][-2:] == ((4, 4.0), (5, 50.0))


def test_only_the_phase_resumed_discards() -> None:
    state = of(
        *(("metric", {"step": step, "loss": float(step)}) for step in (1, 2, 3)),
        ("phase", {"name": "preparing", "step": 1}),
        ("phase", {"name": "saving", "step": 1}),
    )
    assert [step for step, _ in state.series["loss"]] == [1, 2, 3]


def test_a_lower_step_replaces_later_points_of_its_series():
    state = of(
        *(("metric", {"step": step, "loss": float(step)}) for step in (1, 2, 3)),
        ("metric", {"step": 3, "eval_loss": 1.0}),
        ("metric", {"step": 2, "loss": 20.0}),
    )
    assert state.series["loss"] == ((1, 1.0), (2, 20.0))
    assert state.series["eval_loss"] == ((3, 1.0),)


def test_phase_of_a_killed_process_ends_with_its_last_event():
    state = of(
        ("phase", {"name": "starting"}),
        ("phase", {"name": "training", "detail": "a model"}),
        ("metric", {"step": 1}, 10),
        ("phase", {"name": "starting"}, 5000),
        ("phase", {"name": "saving"}),
        ("done", {"verdict": "completed"}),
    )
    assert state.phases == (
        Phase("starting", "", 1001.0, 1002.0),
        Phase("training", "a model", 1002.0, 1012.0),
        Phase("starting", "", 6012.0, 6013.0),
        Phase("saving", "", 6013.0, 6014.0),
    )
    assert (state.phase, state.attempts) == ("saving", 2)
    assert (state.started, state.ended, state.updated) == (1001.0, 6014.0, 6014.0)


def test_later_verdict_wins():
    failed = of(
        ("phase", {"name": "starting"}),
        ("error", {"class": "MemoryError", "message": "no room", "advice": "smaller batch"}),
        ("done", {"verdict": "failed"}),
    )
    assert failed.error == ErrorReport("MemoryError", "no room", "smaller batch")
    assert failed.verdict == "failed"
    again = fold(failed, [Event(4, 2000.0, "phase", {"name": "starting"})])
    assert (again.verdict, again.error, again.ended) == (None, None, None)
    done = fold(again, [Event(5, 2001.0, "done", {"verdict": "completed", "path": "adapter"})])
    assert (done.verdict, done.results) == ("completed", {"path": "adapter"})


def test_changes_of_an_error():
    error = {"class": "OutOfMemoryError", "message": "full", "advice": "less"}
    changes = {"training.per_device_train_batch_size": 1}
    state = of(("error", {**error, "changes": changes}))
    assert state.error == ErrorReport("OutOfMemoryError", "full", "less", changes)
    assert of(("error", {**error, "changes": ["r"]})).error == ErrorReport(
        "OutOfMemoryError", "full", "less"
    )


def test_gpu_sensors_become_series_and_the_last_reading():
    events = [
        ("memory", {"step": 1, "gpu": {"name": "H200", "index": 0, "total": 9, "utilisation": 80}}),
        ("memory", {"step": 2, "gpu": {"name": "H200", "utilisation": 90, "power": 412.5}}),
        ("memory", {"step": 3, "gpu": "H200"}),
    ]
    state = fold(RunState(), [Event(i, i, *event) for i, event in enumerate(events, 1)])
    assert state.gpu == Gpu(name="H200", utilisation=90, power=412.5)
    assert state.series["gpu_utilisation"] == ((1, 80), (2, 90))
    assert state.series["gpu_power"] == ((2, 412.5),)


def test_a_dataset_run_reports_its_first_page_and_what_was_left_out():
    left_out = {"empty text": 2, "odd": "x"}
    events = [
        Event(1, 1, "page", {"lines": ["⠁⠂", "⠃⠄"]}),
        Event(2, 2, "drawn", {"documents": 5, "pages": 7, "rows": 6, "left_out": left_out}),
    ]
    state = fold(RunState(), events)
    assert state.first_page == ("⠁⠂", "⠃⠄")
    assert state.drawn == Drawn(5, 7, 6, {"empty text": 2})


def test_memory_keeps_the_peak():
    state = of(("memory", {"allocated": 5, "host": 7}), ("memory", {"allocated": 3, "device": 9}))
    assert state.memory == Memory(allocated=3, device=9)
    assert state.peak_memory == Memory(allocated=5, device=9, host=7)


def test_a_peak_between_two_events_counts():
    state = of(("memory", {"host": 5, "host_peak": 9}), ("memory", {"host": 6, "host_peak": 9}))
    assert (state.memory.host, state.peak_memory.host) == (6, 9)


def test_the_latest_estimate_and_measurement_are_kept():
    state = of(
        ("estimate", {"allocated": 10, "device": 12, "seconds_per_step": 2.5, "source": "x"}),
        ("measured", {"allocated": 11, "seconds_per_step": None, "steps": 3}),
        ("measured", {"allocated": 12, "seconds_per_step": 2.0, "steps": 9, "later": True}),
    )
    assert state.predicted == Predicted(10, 12, 2.5, "x")
    assert state.measured == Measured(allocated=12, seconds_per_step=2.0, steps=9)


def test_samples_checkpoints_and_warnings():
    state = of(
        ("sample", {"input": "i", "target": "t", "output": "o", "when": "before", "page": ["⣿"]}),
        ("checkpoint", {"path": "a", "step": 1}),
        ("checkpoint", {"path": "b", "step": 2}),
        ("checkpoint", {"path": "a", "step": 3}),
        ("warning", {"message": "hot"}),
        ("warning", {"message": "cold"}),
        ("warning", {"message": "hot"}),
    )
    assert (state.samples[0].output, state.samples[0].when) == ("o", "before")
    assert state.samples[0].page == ("⣿",)
    assert state.checkpoints == (Checkpoint("b", 2), Checkpoint("a", 3))
    assert [(warned.message, warned.count) for warned in state.warnings] == [
        ("hot", 2),
        ("cold", 1),
    ]


def test_unreadable_lines_are_counted_and_unknown_kinds_are_not_fatal():
    state = fold(RunState(), [Event(0, 0.0, UNREADABLE, {}), *log(("new kind", {"x": 1}))])
    assert (state.unreadable_lines, state.last_seq) == (1, 1)


def test_throughput_and_eta():
    step = {"total": 100, "unit": "steps"}
    assert throughput(RunState()) is None
    state = of(*(("progress", {"done": done, **step}, 2) for done in range(0, 50, 5)))
    assert state.progress == Progress(45, 100, "steps")
    assert (state.step, state.total_steps) == (45, 100)
    assert throughput(state) == (2.5, "steps")
    assert eta_seconds(state) == 22.0
    ended = fold(state, [Event(99, 9e9, "done", {"verdict": "stopped"})])
    assert eta_seconds(ended) is None


def test_throughput_is_that_of_the_recent_window():
    slow = [("progress", {"done": done, "unit": "pages"}, 10) for done in range(100)]
    fast = [("progress", {"done": 100 + done, "unit": "pages"}, 1) for done in range(WINDOW_POINTS)]
    state = of(*slow, *fast)
    assert throughput(state) == (1.0, "pages")
    assert eta_seconds(state) is None


def test_many_progress_events_in_a_second_do_not_shorten_the_window():
    state = of(*(("progress", {"done": done, "unit": "rows"}, 0.25) for done in range(200)))
    (first, _), (last, _) = state.throughput_window[0], state.throughput_window[-1]
    assert last - first >= 45
    assert throughput(state) == (4.0, "rows")


def test_new_phase_has_its_own_progress():
    state = of(
        ("progress", {"done": 1, "total": 2, "unit": "steps"}),
        ("progress", {"done": 2, "total": 2, "unit": "steps"}),
        ("phase", {"name": "saving"}),
    )
    assert (state.progress, throughput(state)) == (Progress(), None)
    assert (state.step, state.total_steps) == (2, 2)


def test_hundred_thousand_metrics():
    """Is slow unless the time of a batch depends on its length alone."""
    noise, spikes = Random(1), {777: 9.0, 50_001: 0.001, 99_998: 12.0}
    values = [spikes.get(step, 2 + noise.random()) for step in range(1, 100_001)]
    events = [
        Event(step, float(step), "metric", {"step": step, "loss": value, "grad_norm": 0.5})
        for step, value in enumerate(values, start=1)
    ]
    state, other = RunState(), RunState()
    for start in range(0, 100_000, 500):
        state = fold(state, events[start : start + 500])
    for start in range(0, 100_000, 7919):
        other = fold(other, events[start : start + 7919])
    assert state == other
    loss = state.series["loss"]
    assert len(loss) <= MAX_POINTS
    assert loss[0] == (1, values[0])
    assert loss[-1] == (100_000, values[-1])
    assert set(spikes.items()) <= set(loss)
    steps = [step for step, _ in loss]
    assert max(b - a for a, b in pairwise(steps)) <= 2 * state.series_widths["loss"]
    assert len(state.series["grad_norm"]) <= MAX_POINTS


def test_a_long_series_goes_back_to_an_earlier_step():
    long = [Event(i, float(i), "metric", {"step": i, "loss": i / 1000}) for i in range(1, 20_001)]
    resumed = Event(20_001, 0.0, "phase", {"name": RESUMED, "step": 10_000})
    again = Event(20_002, 0.0, "metric", {"step": 10_001, "loss": 5.0})
    loss = fold(RunState(), [*long, resumed, again]).series["loss"]
    width = fold(RunState(), long).series_widths["loss"]
    assert loss[-1] == (10_001, 5.0)
    assert 10_000 - width < loss[-2][0] <= 10_000
