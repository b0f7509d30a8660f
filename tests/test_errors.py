"""Errors of the user keep what they say across processes, and print as people read them."""

from __future__ import annotations

import traceback

import pytest
from torch.utils.data import DataLoader, Dataset

from deepsynth_tui.training.failures import TrainingError

ARGUMENTS = ("the page is blank", "Leave it out", "data.path")


class _Failing(Dataset):
    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        raise TrainingError(*ARGUMENTS)


def test_an_error_of_a_dataloader_worker_keeps_its_arguments():
    with pytest.raises(TrainingError) as caught:
        list(DataLoader(_Failing(), num_workers=1))
    assert caught.value.args == ARGUMENTS


def test_a_traceback_ends_with_message_and_advice():
    lines = traceback.format_exception_only(TrainingError(*ARGUMENTS))
    assert [line.partition(": ")[2] for line in lines] == ["the page is blank. Leave it out\n"]
