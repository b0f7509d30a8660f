"""The state of a run by process status, verdict and stop request."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from deepsynth_tui.runs.control import request_stop
from deepsynth_tui.runs.directory import RunDirectory, RunNotFound, create_run
from deepsynth_tui.runs.events import EventLog
from deepsynth_tui.runs.liveness import ENDED, ProcessStatus, write_status
from deepsynth_tui.runs.summary import (
    LIVE,
    RunSummary,
    list_summaries,
    read_last_state,
    summarize,
)


def dead(run: RunDirectory, status: ProcessStatus, **more) -> None:
    write_status(run, replace(status, process_start="1", **more))


def ends(run: RunDirectory, verdict: str) -> None:
    with EventLog(run.events) as log:
        log.write("done", verdict=verdict)


def test_created_only(run: RunDirectory):
    now = time.time()
    assert summarize(run, now).state == "starting"
    later = summarize(run, now + 60)
    assert (later.state, later.message) == ("crashed", "It was never started")


def test_running_through_its_phases(run: RunDirectory, alive: ProcessStatus):
    for phase, state in [
        ("starting", "starting"),
        ("waiting", "waiting"),
        ("training", "running"),
    ]:
        write_status(run, replace(alive, phase=phase))
        assert summarize(run).state == state
    write_status(run, replace(alive, heartbeat=None))
    assert summarize(run).state == "starting"


def test_only_a_run_that_waits_says_for_what(run: RunDirectory, alive: ProcessStatus):
    for phase, message in (("waiting", "until a-run has ended"), ("training", "")):
        with EventLog(run.events) as log:
            log.write("phase", name=phase, detail="until a-run has ended")
        write_status(run, replace(alive, phase=phase))
        assert summarize(run).message == message


def test_stopping(run: RunDirectory, alive: ProcessStatus):
    request_stop(run, now=False)
    assert summarize(run).state == "stopping"


def test_unresponsive(run: RunDirectory, alive: ProcessStatus):
    summary = summarize(run, time.time() + 100)
    assert (summary.state, summary.pid) == ("unresponsive", alive.pid)
    assert str(alive.pid) in summary.message
    assert summarize(run, time.time() + 10, stale_after=5).state == "unresponsive"


@pytest.mark.parametrize(
    ("verdict", "state"), [("completed", "done"), ("stopped", "stopped"), ("failed", "failed")]
)
def test_verdict_counts_once_the_process_has_ended(
    run: RunDirectory, alive: ProcessStatus, verdict: str, state: str
):
    ends(run, verdict)
    assert summarize(run).state == "running"
    write_status(run, replace(alive, phase=ENDED))
    assert summarize(run).state == state
    dead(run, alive)
    assert summarize(run).state == state


def test_crashed(run: RunDirectory, alive: ProcessStatus):
    dead(run, alive)
    assert summarize(run).state == "crashed"


def test_the_verdict_of_an_earlier_process_does_not_count(run: RunDirectory, alive: ProcessStatus):
    ends(run, "stopped")
    dead(run, alive, launched=time.time() + 1)
    assert summarize(run).state == "crashed"


def test_failed_has_the_message(run: RunDirectory, alive: ProcessStatus):
    with EventLog(run.events) as log:
        log.write("error", **{"class": "X", "message": "no room", "advice": "make some"})
    ends(run, "failed")
    dead(run, alive)
    assert summarize(run).message == "no room"


def test_figures_are_the_last_and_json(run: RunDirectory, alive: ProcessStatus):
    with EventLog(run.events) as log:
        log.write("phase", name="training", detail="")
        log.write("metric", step=1, loss=3.0)
        log.write("metric", step=2, loss=2.0)
        log.write("progress", done=2, total=9, unit="steps")
    assert read_last_state(run, "training").series == {"loss": ((2, 2.0),)}
    summary = summarize(run)
    assert (summary.last_step, summary.total_steps, summary.last_loss) == (2, 9, 2.0)
    assert (summary.done, summary.total, summary.unit, summary.phase) == (2, 9, "steps", "training")
    content = json.loads(json.dumps(summary.to_json()))
    assert content.keys() == set(RunSummary.__dataclass_fields__)
    assert content["path"] == str(run.path)
    assert (content["id"], content["kind"], content["state"]) == (run.id, "training", "running")
    assert (content["position"], content["is_held"]) == (None, False)


def test_reads_only_as_much_of_a_long_log_as_needed(run: RunDirectory, alive: ProcessStatus):
    with EventLog(run.events) as log:
        log.write("progress", done=1, total=5, unit="steps")
        log.write("metric", step=1, loss=7.0)
        for _ in range(3):
            log.write("sample", input="x" * 100_000, target="", output="", when="during")
    summary = summarize(run)
    assert (summary.last_loss, summary.total_steps) == (7.0, 5)
    with EventLog(run.events) as log:
        log.write("metric", step=2, loss=6.0)
    assert summarize(run).last_loss == 6.0


def test_list_is_newest_first_and_tolerates_a_removal(home: Path):
    runs = [
        create_run(home, kind="dataset", name=str(n), config_text="", now=1e9 + n) for n in range(3)
    ]
    assert [summary.id for summary in list_summaries(home)] == [run.id for run in reversed(runs)]
    shutil.rmtree(runs[1].path)
    assert len(list_summaries(home)) == 2
    with pytest.raises(RunNotFound):
        summarize(runs[1])


def test_is_live(run: RunDirectory, alive: ProcessStatus):
    assert summarize(run).is_live
    dead(run, alive)
    assert not summarize(run).is_live
    assert not LIVE & {"done", "stopped", "failed", "crashed"}
