"""Batches of rows of similar length, in a reproducible order."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from deepsynth_tui.conversations.errors import RowError
from deepsynth_tui.training import trainer
from deepsynth_tui.training.data.collator import Collator
from deepsynth_tui.training.data.dataset import load_split
from deepsynth_tui.training.data.sampler import SeededLengthGroupedSampler
from deepsynth_tui.training.modeling.processor import load_preprocessor
from tests.training.conftest import Ran, Run, configuration
from tests.training.small_datasets import row, write

LENGTHS = [10 + 37 * number % 101 for number in range(64)]


def _spread(order: list[int], size: int = 4) -> int:
    """Tokens of padding in batches of `size`."""
    batches = [[LENGTHS[i] for i in order[at : at + size]] for at in range(0, len(order), size)]
    return sum(max(batch) * len(batch) - sum(batch) for batch in batches)


def test_rows_of_similar_length_are_batched() -> None:
    sampler = SeededLengthGroupedSampler(4, LENGTHS, seed=1)
    order = list(sampler)
    assert sorted(order) == list(range(64))
    assert LENGTHS[order[0]] == max(LENGTHS)
    assert _spread(order) < 0.4 * _spread(torch.randperm(64).tolist())


def test_the_order_depends_on_seed_and_epoch_only() -> None:
    sampler = SeededLengthGroupedSampler(4, LENGTHS, seed=1)
    first = list(sampler)
    torch.rand(5)
    assert list(sampler) == first
    sampler.set_epoch(1)
    second = list(sampler)
    assert second != first
    assert list(SeededLengthGroupedSampler(4, LENGTHS, seed=2)) != first
    resumed = SeededLengthGroupedSampler(4, LENGTHS, seed=1)
    resumed.set_epoch(1)
    assert list(resumed) == second


def _after(ran: Ran, step: int) -> list[list[Any]]:
    """(step, loss) beyond `step`, before and after the run was resumed."""
    again = next(e for e in ran.of("phase") if e.data["name"] == "resumed")
    assert again.data["step"] == step
    return [
        [
            (e.data["step"], e.data["loss"])
            for e in ran.of("metric")
            if "loss" in e.data and e.data["step"] > step and (e.seq < again.seq) is first
        ]
        for first in (True, False)
    ]


@pytest.mark.slow
def test_resuming_in_the_middle_of_an_epoch_is_exact(run: Run, tmp_path: Path) -> None:
    """Grouped by length, and with worker processes. All rows differ, so different batches have
    different losses."""
    rows = [row(n) | {"target": f"page {n} " + "and on " * (n % 5)} for n in range(10)]
    changes: dict[str, Any] = {
        "data__path": str(write(tmp_path / "data", rows)),
        "training__train_sampling_strategy": "group_by_length",
        "training__dataloader_num_workers": 2,
        "training__max_steps": 12,
        "training__save_steps": 8,
        "training__save_total_limit": 5,
        "lora__lora_dropout": 0.3,
    }
    whole = run(**changes)
    assert whole.verdict == "completed", whole.failure
    shutil.rmtree(whole.run.checkpoints / "checkpoint-12")
    resumed = run(resume=whole.run, **changes)

    assert resumed.verdict == "completed", resumed.failure
    before, after = _after(resumed, 8)
    assert before == after
    assert [step for step, _ in after] == [9, 10, 11, 12]


@pytest.mark.slow
def test_workers_change_no_loss_and_waiting_is_recorded(run: Run) -> None:
    alone = run(training__max_steps=8)
    helped = run(training__max_steps=8, training__dataloader_num_workers=2)

    assert alone.losses == helped.losses
    waits = [e.data["data_wait"] for e in alone.of("metric") if "loss" in e.data]
    assert len(waits) == 8
    assert all(0 < share < 1 for share in waits)


def test_waiting_is_the_share_of_slow_data(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(trainer.time, "perf_counter", lambda: now[0])
    loop = object.__new__(trainer.DocumentTrainer)
    loop._data_wait_seconds, loop._data_wait_since = 0.0, 0.0

    def batches() -> Any:
        for number in range(2):
            now[0] += 3.0
            yield number

    for _ in loop._timed(batches()):
        now[0] += 1.0
    assert loop.data_wait() == 6.0 / 8.0
    now[0] += 5.0
    assert loop.data_wait() == 0.0


def test_a_worker_names_the_row_that_is_damaged_after_it_was_counted(
    values: dict[str, Any], tmp_path: Path
) -> None:
    rows = [row(n) for n in range(4)]
    rows[2]["images"] = [{"bytes": b"no image", "path": None}]
    config = configuration(values, data__path=str(write(tmp_path / "data", rows)))
    collator = Collator(load_preprocessor(config, local_files_only=True), config)
    split = load_split(config, images=True)
    batches = torch.utils.data.DataLoader(
        split.train, batch_size=4, num_workers=1, collate_fn=collator
    )
    with pytest.raises(RowError) as refused:
        next(iter(batches))
    assert refused.value.row_id == "row 2 (document doc-2)"
    assert refused.value.reason.startswith("an image cannot be decoded: its format is unknown")
    assert refused.value.advice == "Convert it to PNG or JPEG, or remove the row."
