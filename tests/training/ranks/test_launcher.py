"""Training with two ranks on the CPU."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from deepsynth_tui.config import yaml_text
from deepsynth_tui.estimate.fixes import Fix
from deepsynth_tui.runs.control import Request
from deepsynth_tui.runs.directory import RunDirectory, create_run, read_identity
from deepsynth_tui.runs.job import Job, JobFailed, run_job
from deepsynth_tui.training.estimate_record import RunEstimate
from deepsynth_tui.training.failures import explain
from deepsynth_tui.training.ranks.exit_reasons import with_rank
from deepsynth_tui.training.ranks.protocol import (
    EventMessage,
    FailedMessage,
    FinishedMessage,
    Message,
)
from deepsynth_tui.training.result.checkpoints import newest_complete
from deepsynth_tui.training.trainer import DocumentTrainer
from deepsynth_tui.workflows import follow, retry
from tests.training import small_datasets
from tests.training.conftest import Ran, Run, configuration
from tests.training.failures.test_advice import FULL
from tests.training.forked import RankStarter
from tests.training.result.test_retry import SMALLER

pytestmark = pytest.mark.slow

WEIGHTS = "adapter_model.safetensors"
SETTINGS: dict[str, Any] = {
    "lora__lora_dropout": 0.0,
    "training__max_steps": 12,
    "training__save_steps": 4,
    "data__eval_fraction": 5 / 21,
    "training__eval_steps": 6,
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """21 rows; the 16 training rows fill all batches with one and with two processes.

    The 5 held-out rows do not.
    """
    folder = tmp_path_factory.mktemp("dataset")
    return small_datasets.write(folder, [small_datasets.row(number) for number in range(21)])


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", names[0])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def ranks() -> Iterator[RankStarter]:
    starter = RankStarter()
    yield starter
    starter.kill()


def two_rank_run(home: Path, values: dict[str, Any], **changes: Any) -> RunDirectory:
    """Create a run of two processes, each with batches of two rows."""
    config = configuration(values, **{**SETTINGS, **changes}, training__num_processes=2)
    text = yaml_text.dump(config.model_dump())
    return create_run(home, kind="training", name="two", config_text=text)


def at_step(step: int) -> Callable[[Message], bool]:
    """Return whether a message is a metric of that step."""
    return lambda message: (
        isinstance(message, EventMessage)
        and message.kind == "metric"
        and message.fields["step"] == step
    )


def test_two_ranks_have_the_losses_of_one_process_with_twice_the_batch(
    home: Path, values: dict[str, Any], run: Run
) -> None:
    alone = run(**SETTINGS, training__per_device_train_batch_size=4)
    directory = two_rank_run(home, values)
    command = [sys.executable, "-m", "deepsynth_tui.training.job", str(directory.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    together = Ran(directory, 0)
    assert together.verdict == "completed"
    assert together.losses == pytest.approx(alone.losses, rel=1e-5)
    evaluations = [
        [e.data["eval_loss"] for e in ran.of("metric") if "eval_loss" in e.data]
        for ran in (alone, together)
    ]
    assert evaluations[1] == pytest.approx(evaluations[0], rel=1e-5)
    kinds = [
        [(e.kind, e.data.get("step")) for e in ran.events if e.kind not in ("progress", "memory")]
        for ran in (alone, together)
    ]
    assert kinds[1] == kinds[0]
    assert [event.seq for event in together.events] == list(range(1, len(together.events) + 1))
    assert together.of("done")[-1].data["verification"]["from_trained"] == 0
    assert done.stdout.count("step 12/12  loss ") == 1


@pytest.mark.parametrize(("request_", "stops_at"), [("stop", None), ("stop-after-checkpoint", 8)])
def test_both_ranks_stop_at_the_same_step(
    home: Path, values: dict[str, Any], ranks: RankStarter, request_: Request, stops_at: int | None
) -> None:
    directory = two_rank_run(home, values, training__max_steps=2000, training__save_steps=8)
    first, second = ranks(directory)
    first.read_until(at_step(3))
    first.send(request_)

    ended = [first.finish(), second.finish()]
    assert [type(message) for message in ended] == [FinishedMessage, FinishedMessage]
    assert all(m.verdict == "stopped" for m in ended if isinstance(m, FinishedMessage))
    last = max(first.losses)
    assert last % 8 == 0 if stops_at else last < 2000
    assert newest_complete(directory.checkpoints, 2).step == last
    assert (directory.adapter / "adapter_model.safetensors").is_file()
    assert not [m for m in second.messages if isinstance(m, EventMessage)]


def test_resume_after_a_kill_is_exact(
    home: Path, values: dict[str, Any], ranks: RankStarter
) -> None:
    # With dropout, each rank has its own random state. An epoch has four steps: the run resumes in
    # the middle of the second.
    changes = {"lora__lora_dropout": 0.3, "training__save_steps": 6, "training__max_steps": 16}
    directory = two_rank_run(home, values, **changes)
    whole = ranks(directory)
    whole[0].read_until(at_step(9))
    for rank in whole:
        rank.kill()
    # `whole` was killed after the checkpoint of step 6, at step 9 or later.
    newer = directory.checkpoints / "checkpoint-12"
    if newer.exists():
        (newer / "rng_state_1.pth").unlink(missing_ok=True)
    assert newest_complete(directory.checkpoints, 2).step == 6

    again = ranks(directory, resume=True)
    ended = [rank.finish() for rank in again]
    assert all(isinstance(message, FinishedMessage) for message in ended)
    assert min(again[0].losses) == 7
    assert {7, 8, 9} <= set(whole[0].losses)
    for step in set(whole[0].losses) & set(again[0].losses):
        assert again[0].losses[step] == whole[0].losses[step], step


def test_a_failure_is_reported_by_its_rank(
    home: Path, values: dict[str, Any], ranks: RankStarter
) -> None:
    directory = two_rank_run(
        home, values, training__learning_rate=1e30, training__max_grad_norm=0.0
    )
    first, second = ranks(directory)
    ended = [first.finish(), second.finish()]
    assert all(isinstance(message, FailedMessage) for message in ended)
    assert any(
        "The loss became" in m.failure.message for m in ended if isinstance(m, FailedMessage)
    )


def second_rank_out_of_memory(monkeypatch: pytest.MonkeyPatch, *, step: int) -> None:
    """Raise an out-of-memory error in the second rank, and pretend that smaller batches fit."""
    original = DocumentTrainer.compute_loss

    def compute_loss(self: DocumentTrainer, *args: Any, **kwargs: Any) -> Any:
        if os.environ["RANK"] == "1" and self.state.global_step + 1 == step:
            raise torch.OutOfMemoryError(FULL)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(DocumentTrainer, "compute_loss", compute_loss)
    fix = Fix(SMALLER, "1 row at once", "the result stays the same", 2**28, 0, None)
    monkeypatch.setattr(RunEstimate, "cheapest_fix", lambda self: fix)


def test_out_of_memory_in_one_rank_is_retried_by_both(
    home: Path, values: dict[str, Any], ranks: RankStarter, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"training__max_steps": 6, "training__save_steps": 2}
    whole = ranks(two_rank_run(home, values, **changes))
    assert isinstance(whole[0].finish(), FinishedMessage)
    directory = two_rank_run(home, values, **changes)
    with monkeypatch.context() as patch:
        second_rank_out_of_memory(patch, step=4)
        first, second = (rank.finish() for rank in ranks(directory))
    assert isinstance(first, FailedMessage)
    assert first.lost_contact
    assert isinstance(second, FailedMessage)
    assert not second.lost_contact
    failure = with_rank(second.failure, 1)
    assert "Rank 1: The GPU ran out of memory: 1.2 GiB more were requested" in failure.message

    def record(job: Job) -> str:
        raise JobFailed(failure)

    run_job(directory.path, record, explain=explain)  # as the launcher does
    again = Ran(retry.start(home, retry.plan(directory)), 0)
    lines: list[str] = []
    assert follow.follow_until_end(again.run, lines.append) == 0, lines

    assert read_identity(again.run).continues == directory
    assert [event.data["step"] for event in again.of("phase") if "step" in event.data] == [2]
    assert not again.of("warning")
    expected = [loss for step, loss in whole[0].losses.items() if step > 2]
    assert again.losses == pytest.approx(expected, rel=1e-4)
    assert again.of("done")[-1].data["verification"]["from_trained"] == 0
    assert newest_complete(again.run.checkpoints, 2).step == 6  # of both


FOUR_BITS = {
    "quantization__enabled": True,
    "quantization__quant_storage": "float32",
    "quantization__compute_dtype": "float32",
}


@pytest.mark.parametrize("quantised", [False, True], ids=["lora", "qlora"])
def test_fsdp_has_the_losses_of_one_process(
    home: Path, values: dict[str, Any], run: Run, ranks: RankStarter, quantised: bool
) -> None:
    changes = {
        **SETTINGS,
        **(FOUR_BITS if quantised else {}),
        "training__gradient_checkpointing": True,
        "training__max_steps": 6,
        "training__save_steps": 6,
        "training__eval_steps": 3,
        "training__generate_eval_samples": 2,
    }
    alone = run(**changes, training__per_device_train_batch_size=4)
    directory = two_rank_run(home, values, **changes, training__fsdp=True)
    first, second = ranks(directory)
    ended = first.finish()
    assert isinstance(ended, FinishedMessage), ended
    assert isinstance(second.finish(), FinishedMessage)

    assert list(first.losses.values()) == pytest.approx(alone.losses, rel=1e-5)
    together, apart = (load_file(path.adapter / WEIGHTS) for path in (directory, alone.run))
    assert together.keys() == apart.keys()
    for name, weight in together.items():
        torch.testing.assert_close(weight, apart[name], rtol=1e-3, atol=1e-4)
    samples = [
        (message.fields["when"], message.fields["output"])
        for message in first.messages
        if isinstance(message, EventMessage) and message.kind == "sample"
    ]
    assert samples == [(e.data["when"], e.data["output"]) for e in alone.of("sample")]
    assert ended.results["verification"]["from_trained"] == 0
    assert ended.results["verification"]["from_base"] > 0.01


def test_resume_with_fsdp_is_exact(home: Path, values: dict[str, Any], ranks: RankStarter) -> None:
    changes = {**FOUR_BITS, "lora__lora_dropout": 0.3, "training__save_steps": 3}
    directory = two_rank_run(home, values, **changes, training__max_steps=8, training__fsdp=True)
    whole = ranks(directory)
    whole[0].read_until(at_step(5))
    for rank in whole:
        rank.kill()
    assert newest_complete(directory.checkpoints, 2).step == 3
    again = ranks(directory, resume=True)
    assert all(isinstance(rank.finish(), FinishedMessage) for rank in again)
    assert min(again[0].losses) == 4
    for step in (4, 5):
        assert again[0].losses[step] == whole[0].losses[step], step
