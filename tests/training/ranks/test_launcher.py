"""Two real processes that train together, on the CPU: one curve, one stream, one end."""

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
from tests.training.forked import Started
from tests.training.result.test_retry import SMALLER

pytestmark = pytest.mark.slow

WEIGHTS = "adapter_model.safetensors"
SETTINGS: dict[str, Any] = {
    "lora__lora_dropout": 0.0,
    "training__max_steps": 12,
    "training__save_steps": 4,
    "data__eval_fraction": 0.2,
    "training__eval_steps": 6,
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty rows: the sixteen to train on are whole batches of two processes and of one."""
    folder = tmp_path_factory.mktemp("dataset")
    return small_datasets.write(folder, [small_datasets.row(number) for number in range(20)])


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", names[0])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def ranks() -> Iterator[Started]:
    started = Started()
    yield started
    started.kill()


def of_two(home: Path, values: dict[str, Any], **changes: Any) -> RunDirectory:
    """A run of two processes, with batches of two rows each."""
    config = configuration(values, **{**SETTINGS, **changes}, training__num_processes=2)
    text = yaml_text.dump(config.model_dump())
    return create_run(home, kind="training", name="two", config_text=text)


def at_step(step: int) -> Callable[[Message], bool]:
    """Whether something said is a figure of that step."""
    return lambda said: (
        isinstance(said, EventMessage) and said.kind == "metric" and said.fields["step"] == step
    )


def test_the_curve_is_that_of_one_process_with_twice_the_batch(
    home: Path, values: dict[str, Any], run: Run
) -> None:
    alone = run(**SETTINGS, training__per_device_train_batch_size=4)
    made = of_two(home, values)
    command = [sys.executable, "-m", "deepsynth_tui.training.job", str(made.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    together = Ran(made, 0)
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
def test_both_stop_at_the_same_step(
    home: Path, values: dict[str, Any], ranks: Started, request_: Request, stops_at: int | None
) -> None:
    made = of_two(home, values, training__max_steps=2000, training__save_steps=8)
    first, second = ranks(made)
    first.hear(at_step(3))
    first.tell(request_)

    ended = [first.end(), second.end()]
    assert [type(one) for one in ended] == [FinishedMessage, FinishedMessage]
    assert all(one.verdict == "stopped" for one in ended if isinstance(one, FinishedMessage))
    last = max(first.losses)
    assert last % 8 == 0 if stops_at else last < 2000
    assert newest_complete(made.checkpoints, 2).step == last
    assert (made.adapter / "adapter_model.safetensors").is_file()
    assert not [one for one in second.said if isinstance(one, EventMessage)]


def test_resume_after_a_kill_is_exact(home: Path, values: dict[str, Any], ranks: Started) -> None:
    # Dropout is drawn by each process for itself, so each has random state of its own. An epoch has
    # four steps: it goes on in the middle of the second.
    changes = {"lora__lora_dropout": 0.3, "training__save_steps": 6, "training__max_steps": 16}
    made = of_two(home, values, **changes)
    whole = ranks(made)
    whole[0].hear(at_step(9))
    for one in whole:
        one.kill()
    # `whole` was killed after the checkpoint of step 6; it had gone further, to step 9 at least.
    newer = made.checkpoints / "checkpoint-12"
    if newer.exists():
        (newer / "rng_state_1.pth").unlink(missing_ok=True)
    assert newest_complete(made.checkpoints, 2).step == 6

    again = ranks(made, resume=True)
    ended = [one.end() for one in again]
    assert all(isinstance(one, FinishedMessage) for one in ended)
    assert min(again[0].losses) == 7
    assert {7, 8, 9} <= set(whole[0].losses)
    for step in set(whole[0].losses) & set(again[0].losses):
        assert again[0].losses[step] == whole[0].losses[step], step


def test_a_failure_is_told_by_the_rank_that_has_it(
    home: Path, values: dict[str, Any], ranks: Started
) -> None:
    made = of_two(home, values, training__learning_rate=1e30, training__max_grad_norm=0.0)
    first, second = ranks(made)
    ended = [first.end(), second.end()]
    assert all(isinstance(one, FailedMessage) for one in ended)
    assert any(
        "The loss became" in one.failure.message for one in ended if isinstance(one, FailedMessage)
    )


def full_in_the_second(monkeypatch: pytest.MonkeyPatch, *, step: int) -> None:
    """Let the GPU of the second rank be full at a step, as if smaller batches would fit it."""
    computed = DocumentTrainer.compute_loss

    def compute_loss(self: DocumentTrainer, *given: Any, **with_rank: Any) -> Any:
        if os.environ["RANK"] == "1" and self.state.global_step + 1 == step:
            raise torch.OutOfMemoryError(FULL)
        return computed(self, *given, **with_rank)

    monkeypatch.setattr(DocumentTrainer, "compute_loss", compute_loss)
    remedy = Fix(SMALLER, "1 row at once", "the result stays the same", 2**28, 0, None)
    monkeypatch.setattr(RunEstimate, "remedy", lambda self: remedy)


def test_a_full_gpu_of_one_is_tried_again_by_both(
    home: Path, values: dict[str, Any], ranks: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"training__max_steps": 6, "training__save_steps": 2}
    whole = ranks(of_two(home, values, **changes))
    assert isinstance(whole[0].end(), FinishedMessage)
    made = of_two(home, values, **changes)
    with monkeypatch.context() as patch:
        full_in_the_second(patch, step=4)
        first, second = (one.end() for one in ranks(made))
    assert isinstance(first, FailedMessage)
    assert first.lost_contact
    assert isinstance(second, FailedMessage)
    assert not second.lost_contact
    failure = with_rank(second.failure, 1)
    assert "Rank 1: The GPU ran out of memory: 1.2 GB more were asked for" in failure.message

    def record(job: Job) -> str:
        raise JobFailed(failure)

    run_job(made.path, record, explain=explain)  # which the process that owns the run does
    again = Ran(retry.start(home, retry.plan(made)), 0)
    said: list[str] = []
    assert follow.follow_until_end(again.run, said.append) == 0, said

    assert read_identity(again.run).continues == made
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
def test_layers_shared_out_give_the_curve_of_one_process(
    home: Path, values: dict[str, Any], run: Run, ranks: Started, quantised: bool
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
    made = of_two(home, values, **changes, training__fsdp=True)
    first, second = ranks(made)
    ended = first.end()
    assert isinstance(ended, FinishedMessage), ended
    assert isinstance(second.end(), FinishedMessage)

    assert list(first.losses.values()) == pytest.approx(alone.losses, rel=1e-5)
    together, apart = (load_file(one.adapter / WEIGHTS) for one in (made, alone.run))
    assert together.keys() == apart.keys()
    for name, weight in together.items():
        torch.testing.assert_close(weight, apart[name], rtol=1e-3, atol=1e-4)
    said = [
        one.fields for one in first.said if isinstance(one, EventMessage) and one.kind == "sample"
    ]
    expected = [event.data for event in alone.of("sample")]
    assert [(one["when"], one["output"]) for one in said] == [
        (one["when"], one["output"]) for one in expected
    ]
    assert ended.results["verification"]["from_trained"] == 0
    assert ended.results["verification"]["from_base"] > 0.01


def test_resume_with_layers_shared_out_is_exact(
    home: Path, values: dict[str, Any], ranks: Started
) -> None:
    changes = {**FOUR_BITS, "lora__lora_dropout": 0.3, "training__save_steps": 3}
    made = of_two(home, values, **changes, training__max_steps=8, training__fsdp=True)
    whole = ranks(made)
    whole[0].hear(at_step(5))
    for one in whole:
        one.kill()
    assert newest_complete(made.checkpoints, 2).step == 3
    again = ranks(made, resume=True)
    assert all(isinstance(one.end(), FinishedMessage) for one in again)
    assert min(again[0].losses) == 4
    for step in (4, 5):
        assert again[0].losses[step] == whole[0].losses[step], step
