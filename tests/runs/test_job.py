"""The process boundary, in this process: the body's actions become events and an exit status."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from deepsynth_tui.runs.control import clear_requests, pending_request, request_stop
from deepsynth_tui.runs.directory import RunDirectory, RunNotFound, create_run
from deepsynth_tui.runs.estimate_vs_measured import Predicted
from deepsynth_tui.runs.events import Event, EventLog
from deepsynth_tui.runs.job import Failure, Job, JobFailed, run_job
from deepsynth_tui.runs.liveness import ENDED, own_status, read_status, write_status
from deepsynth_tui.runs.reduce_events import fold
from deepsynth_tui.runs.state import Checkpoint, Progress, RunState
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.runs.tail import EventTail


def explain(error: BaseException) -> Failure:
    return Failure(type(error).__name__, f"explained: {error}", "try again")


def work(run: RunDirectory, body) -> int:
    return run_job(run.path, body, explain=explain, heartbeat_seconds=0.05)


def events(run: RunDirectory) -> list[Event]:
    return EventTail(run.events).poll()


def state(run: RunDirectory) -> RunState:
    return fold(RunState(), events(run))


def test_the_estimate_is_an_event_and_a_file(run: RunDirectory):
    def body(job: Job) -> str:
        job.predicted(Predicted(10, 12), {"total": 12, "gpu": "é"})
        return "completed"

    assert work(run, body) == 0
    assert state(run).predicted == Predicted(10, 12)
    assert json.loads(run.estimate.read_text()) == {"total": 12, "gpu": "é"}


def test_completed(run: RunDirectory):
    def body(job: Job) -> str:
        assert job.run == run
        assert summarize(run).state == "starting"
        job.phase("training", "a model", trainable=7)
        job.metric(step=1, loss=2.0)
        job.memory(host=5)
        job.sample(input="i", target="t", output="o", when="before")
        job.checkpoint(run.checkpoints / "checkpoint-1", 1)
        job.checkpoint(Path("/elsewhere"), 2)
        job.warning("hot")
        job.result(path=run.adapter)
        return "completed"

    assert work(run, body) == 0
    result = state(run)
    assert [event.kind for event in events(run)] == [
        "phase",
        "phase",
        "metric",
        "memory",
        "sample",
        "checkpoint",
        "checkpoint",
        "warning",
        "done",
    ]
    assert (result.verdict, result.results) == ("completed", {"path": str(run.adapter)})
    assert result.checkpoints == (
        Checkpoint("checkpoints/checkpoint-1", 1),
        Checkpoint("/elsewhere", 2),
    )
    status = read_status(run)
    assert status is not None
    assert (status.pid, status.phase) == (os.getpid(), ENDED)
    assert summarize(run).state == "done"


def test_progress_that_was_held_back_is_written_before_the_end(run: RunDirectory):
    def body(job: Job) -> str:
        job.phase("training")
        job.progress(1, 9, "steps")
        job.progress(2, 9, "steps")  # too soon after the first to be an event of its own
        assert events(run)[-1].data["done"] == 1
        return "completed"

    assert work(run, body) == 0
    assert [event.kind for event in events(run)[-2:]] == ["progress", "done"]
    assert state(run).progress == Progress(2, 9, "steps")


def test_failure_is_explained_and_its_traceback_printed(
    run: RunDirectory, capfd: pytest.CaptureFixture[str]
):
    def body(job: Job) -> str:
        raise MemoryError("no room")

    assert work(run, body) == 1
    error, done = events(run)[-2:]
    assert error.data == {
        "class": "MemoryError",
        "message": "explained: no room",
        "advice": "try again",
    }
    assert (done.kind, done.data["verdict"]) == ("done", "failed")
    assert "in body\n    raise MemoryError" in capfd.readouterr().err
    assert (summarize(run).state, summarize(run).message) == ("failed", "explained: no room")


def test_body_may_raise_its_own_failure(run: RunDirectory):
    def body(job: Job) -> str:
        raise JobFailed(Failure("Rows", "3 rows are empty", "fill them"))

    assert work(run, body) == 1
    assert events(run)[-2].data["message"] == "3 rows are empty"


@pytest.mark.parametrize("leave", [SystemExit(0), KeyboardInterrupt()])
def test_every_exception_is_recorded(run: RunDirectory, leave: BaseException):
    def body(job: Job) -> str:
        raise leave

    assert work(run, body) == 1
    assert state(run).verdict == "failed"


def test_unknown_verdict_is_a_failure(run: RunDirectory):
    assert work(run, lambda job: "fine") == 1
    assert "unknown verdict: 'fine'" in summarize(run).message


def test_not_a_run(tmp_path: Path):
    with pytest.raises(RunNotFound):
        run_job(tmp_path, lambda job: "completed", explain=explain)


def test_heartbeat_and_phase_reach_the_status(run: RunDirectory, wait_until):
    def body(job: Job) -> str:
        first = read_status(run)
        assert first is not None
        job.phase("training")
        wait_until(lambda: (status := read_status(run)) and status.phase == "training")
        wait_until(
            lambda: (
                (status := read_status(run)) and (status.heartbeat or 0) > (first.heartbeat or 0)
            )
        )
        return "completed"

    assert work(run, body) == 0


def test_requests_reach_the_body_once(run: RunDirectory, wait_until):
    def body(job: Job) -> str:
        assert job.stop_requested() is None
        request_stop(run, now=False)
        wait_until(lambda: job.stop_requested() == "stop-after-checkpoint")
        request_stop(run, now=True)
        wait_until(lambda: job.stop_requested() == "stop")
        return "stopped"

    assert work(run, body) == 0
    assert summarize(run).state == "stopped"
    assert pending_request(run) is None
    assert work(run, lambda job: "stopped" if job.stop_requested() else "completed") == 0
    assert summarize(run).state == "done"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_first_signal_requests_a_stop_and_the_second_interrupts(run: RunDirectory, number: int):
    reached: list[str] = []

    def body(job: Job) -> str:
        os.kill(os.getpid(), number)
        reached.append(str(job.stop_requested()))
        try:
            os.kill(os.getpid(), number)
            reached.append("never")
        except Exception:  # noqa: BLE001 - that this does not hold it is the point
            reached.append("never")
        return "completed"

    before = signal.getsignal(number)
    assert work(run, body) == 0
    assert reached == ["stop"]
    assert state(run).verdict == "stopped"
    assert "Interrupted" in state(run).warnings[0].message
    assert signal.getsignal(number) is before


def test_hang_up_is_ignored(run: RunDirectory):
    def body(job: Job) -> str:
        os.kill(os.getpid(), signal.SIGHUP)
        return "stopped" if job.stop_requested() else "completed"

    assert work(run, body) == 0
    assert state(run).verdict == "completed"


def test_progress_is_thinned_but_the_last_is_kept(run: RunDirectory):
    def body(job: Job) -> str:
        job.phase("drawing")
        for done in range(10_000):
            job.progress(done, 100_000, "pages")
        job.phase("writing")
        for done in range(1, 5):
            job.progress(done, 4, "shards")
        return "completed"

    work(run, body)
    done = [event.data["done"] for event in events(run) if event.kind == "progress"]
    pages = done[: done.index(9999) + 1]
    assert pages[0] == 0
    assert len(pages) < 5000
    assert done[-1] == 4
    assert state(run).progress == Progress(4, 4, "shards")


def test_resumed_run_continues_the_log(run: RunDirectory):
    def first(job: Job) -> str:
        for step in range(1, 9):
            job.metric(step=step, loss=float(step))
        return "stopped"

    def second(job: Job) -> str:
        job.resumed(4)
        job.metric(step=5, loss=50.0)
        return "completed"

    assert (work(run, first), work(run, second)) == (0, 0)
    result = state(run)
    assert result.series["loss"][3:] == ((4, 4.0), (5, 50.0))
    assert (result.attempts, result.verdict) == (2, "completed")


def test_run_whose_events_cannot_be_written_ends(
    run: RunDirectory, capfd: pytest.CaptureFixture[str]
):
    def body(job: Job) -> str:
        assert isinstance(job.events, EventLog)
        job.events.close()  # every write fails from here on
        job.metric(step=1, loss=1.0)
        return "completed"

    with pytest.raises(OSError, match="Bad file"):
        work(run, body)
    assert "Bad file" in capfd.readouterr().err
    assert summarize(run).state == "crashed"


def test_unwritable_heartbeat_is_reported_but_not_fatal(
    run: RunDirectory, wait_until, capfd: pytest.CaptureFixture[str]
):
    stderr: list[str] = []

    def body(job: Job) -> str:
        away = run.path.with_name("away")
        run.path.rename(away)
        wait_until(lambda: stderr.append(capfd.readouterr().err) or "heartbeat" in "".join(stderr))
        away.rename(run.path)
        return "completed"

    assert work(run, body) == 0
    assert "".join(stderr).count("Cannot write the heartbeat") == 1


class TestAfter:
    """A run that names another waits for it."""

    @pytest.fixture
    def first(self, home: Path) -> RunDirectory:
        return create_run(home, kind="dataset", name="first", config_text="")

    @pytest.fixture
    def second(self, home: Path, first: RunDirectory) -> RunDirectory:
        return create_run(home, kind="training", name="second", config_text="", after=first.id)

    def test_goes_on_when_it_is_completed(self, first: RunDirectory, second: RunDirectory):
        assert work(first, lambda job: "completed") == 0
        assert work(second, lambda job: "completed") == 0
        assert "waiting" not in [phase.name for phase in state(second).phases]

    def test_waits_until_it_is(self, first: RunDirectory, second: RunDirectory, wait_until):
        import threading

        status = replace(own_status(time.time()), heartbeat=time.time(), phase="drawing")
        write_status(first, status)

        def finish() -> None:
            wait_until(lambda: summarize(second).state == "waiting")
            assert summarize(second).message == f"for {first.id}"
            with EventLog(first.events) as log:
                log.write("done", verdict="completed")
            write_status(first, replace(status, phase=ENDED))

        other = threading.Thread(target=finish)
        other.start()
        assert work(second, lambda job: "completed") == 0
        other.join()
        assert [phase.name for phase in state(second).phases] == ["starting", "waiting"]

    @pytest.mark.parametrize("verdict", ["stopped", "failed"])
    def test_fails_when_it_ends_in_any_other_way(
        self, first: RunDirectory, second: RunDirectory, verdict: str
    ):
        def body(job: Job) -> str:
            if verdict == "failed":
                raise ValueError("no documents")
            return verdict

        work(first, body)
        assert work(second, pytest.fail) == 1
        error = state(second).error
        assert error is not None
        assert first.id in error.message
        assert verdict in error.message
        assert ("no documents" in error.message) == (verdict == "failed")
        assert "esume" in error.advice

    def test_fails_when_it_was_deleted(self, first: RunDirectory, second: RunDirectory):
        shutil.rmtree(first.path)
        assert work(second, pytest.fail) == 1
        assert "was deleted" in summarize(second).message

    @pytest.mark.parametrize("now", [True, False])
    def test_can_be_stopped_while_it_waits(
        self, first: RunDirectory, second: RunDirectory, now: bool
    ):
        write_status(first, replace(own_status(time.time()), heartbeat=time.time()))
        write_status(second, replace(own_status(time.time()), heartbeat=time.time()))
        request_stop(second, now=now)
        assert work(second, pytest.fail) == 0
        assert summarize(second).state == "stopped"
        clear_requests(second)


def test_a_run_that_was_stopped_has_ended(run: RunDirectory):
    assert work(run, lambda job: "stopped") == 0
    status = read_status(run)
    assert status is not None
    assert status.phase == ENDED
    assert not [event for event in events(run) if event.kind == "warning"]
