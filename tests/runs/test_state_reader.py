"""Long event logs: read in bounded time, previewed, and kept as a folded state."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepsynth_tui.runs import folded_log, state_reader, summary
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.events import Event
from deepsynth_tui.runs.json_file import BadContent
from deepsynth_tui.runs.reduce_events import fold
from deepsynth_tui.runs.state import RunState
from deepsynth_tui.runs.state_json import decode, encode
from deepsynth_tui.runs.state_reader import KEPT_BYTES, PREVIEWED_BYTES, StateReader
from deepsynth_tui.runs.tail import EventTail

LONG = 25_000  # events, more than PREVIEWED_BYTES


def _lines(first: int, last: int) -> Iterator[str]:
    for seq in range(first, last + 1):
        event = {"v": 1, "seq": seq, "t": 1.7e9 + seq, "kind": "metric", "step": seq}
        yield json.dumps({**event, "loss": 1 + 100 / seq, "learning_rate": 1e-4}) + "\n"


def _write(run: RunDirectory, first: int, last: int) -> None:
    with run.events.open("a") as file:
        file.writelines(_lines(first, last))


def _whole(run: RunDirectory) -> RunState:
    state, tail = RunState(), EventTail(run.events)
    while events := tail.poll():
        state = fold(state, events)
    return state


@pytest.fixture
def long_run(run: RunDirectory) -> RunDirectory:
    _write(run, 1, LONG)
    assert run.events.stat().st_size > max(PREVIEWED_BYTES, KEPT_BYTES)
    return run


def test_a_long_log_is_previewed_until_it_is_read(long_run: RunDirectory) -> None:
    reader = StateReader(long_run)
    reader.poll(seconds=0)
    assert reader.is_behind
    size = long_run.events.stat().st_size
    assert reader.percent_read == pytest.approx(100 * state_reader.BATCH / size, abs=1)
    loss = reader.state.series["loss"]
    assert (loss[0][0], loss[-1][0]) == (1, LONG)  # the curve has its whole range at once
    largest_gap = max(b[0] - a[0] for a, b in itertools.pairwise(loss))
    assert largest_gap < LONG / 100
    while reader.is_behind:
        reader.poll(seconds=0)
    assert reader.percent_read is None
    assert reader.state == _whole(long_run)


def test_the_next_reader_continues_where_the_log_was_read_to(long_run: RunDirectory) -> None:
    StateReader(long_run).poll()
    _write(long_run, LONG + 1, LONG + 10)
    reader = StateReader(long_run)
    reader.poll(seconds=0)
    assert reader.percent_read is None
    assert reader.state == _whole(long_run)
    assert reader.state.step == LONG + 10


@pytest.mark.parametrize(
    "damage",
    [
        lambda run: run.folded.write_bytes(run.folded.read_bytes()[:-100]),
        lambda run: run.folded.write_text(run.folded.read_text().replace(":1,", ':"x",')),
        lambda run: run.folded.write_text("{}"),
        lambda run: run.folded.unlink(),
        lambda run: run.events.write_text("".join(_lines(1, 5))),
        lambda run: run.events.write_text(run.events.read_text().replace("9", "8")),
    ],
    ids=["cut", "wrong types", "empty", "gone", "shorter log", "another log"],
)
def test_a_kept_state_that_is_not_of_this_log_counts_as_absent(
    long_run: RunDirectory, damage
) -> None:
    StateReader(long_run).poll()
    assert long_run.folded.exists()
    damage(long_run)
    reader = StateReader(long_run)
    reader.poll()
    assert reader.state == _whole(long_run)


def test_a_short_log_leaves_no_file(run: RunDirectory) -> None:
    _write(run, 1, 100)
    StateReader(run).poll()
    assert not run.folded.exists()


def test_a_folder_of_somebody_else_is_read_without_keeping(
    long_run: RunDirectory, tmp_path: Path
) -> None:
    folded_log.save(tmp_path / "gone" / "folded.json", long_run.events, 10, RunState())
    assert not (tmp_path / "gone").exists()


def test_a_summary_reads_the_end_of_a_long_log_only(
    long_run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with long_run.events.open("a") as file:
        file.write(json.dumps({"seq": LONG + 1, "t": 1.8e9, "kind": "done", "verdict": "x"}) + "\n")
    monkeypatch.setattr(summary, "_WINDOWS", (1 << 11,))
    state = summary.read_last_state(long_run, "training")
    assert (state.step, state.last_loss, state.verdict) == (LONG, 1 + 100 / LONG, "x")
    assert not list(long_run.path.glob("*folded*"))


def test_a_state_with_everything_in_it_is_the_same_after_json() -> None:
    kinds: dict[str, dict[str, object]] = {
        "phase": {"name": "training", "detail": "é"},
        "progress": {"done": 3, "total": 9, "unit": "steps"},
        "metric": {"step": 3, "loss": 0.5, "epoch": 0.1, "nonfinite": {"grad_norm": "nan"}},
        "memory": {"allocated": 5, "host": None},
        "estimate": {"allocated": 1, "device": 2},
        "measured": {"allocated": 1, "steps": 3},
        "sample": {"input": "a", "target": "b", "output": "c", "when": "x", "page": ["⠿"]},
        "checkpoint": {"path": "checkpoints/3", "step": 3},
        "error": {"class": "E", "message": "m", "advice": "a", "changes": {"a.b": [1, None]}},
        "done": {"verdict": "failed", "adapter": "/a", "nested": {"x": [1.5, "y"]}},
    }
    events = [Event(i, float(i), kind, data) for i, (kind, data) in enumerate(kinds.items(), 1)]
    state = fold(RunState(), events)
    assert decode(json.loads(json.dumps(encode(state)))) == state
    for name in encode(state):
        with pytest.raises(BadContent):
            decode({**encode(state), name: [{}]})


def test_a_log_of_a_megabyte_is_not_previewed(run: RunDirectory) -> None:
    _write(run, 1, 9000)
    assert run.events.stat().st_size > 2**20
    reader = StateReader(run)
    reader.poll(seconds=0)
    assert reader.is_behind
    assert reader.percent_read is None


def test_a_state_is_kept_again_when_the_log_has_grown_by_half(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_reader, "KEPT_BYTES", 1000)
    kept = []
    for last in (100, 101, 300):
        _write(run, kept[-1][1] + 1 if kept else 1, last)
        StateReader(run).poll()
        kept.append((folded_log.load(run.folded, run.events)[1], last))
    first, second, third = (position for position, _ in kept)
    assert first == second
    assert third == run.events.stat().st_size
