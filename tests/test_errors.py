"""Errors of the user keep what they say across processes, and print as people read them."""

from __future__ import annotations

import pickle
import traceback

import pytest
from torch.utils.data import DataLoader, Dataset

from deepsynth_tui.conversations.errors import RowError
from deepsynth_tui.errors import UserError
from deepsynth_tui.training.failures import TrainingError


class _Failing(Dataset):
    def __init__(self, error: UserError) -> None:
        self._error = error

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        # Anew: in the worker, as a row that cannot be used raises it.
        raise type(self._error)(*self._error.args) from ValueError("of a library")


@pytest.mark.parametrize(
    "error",
    [
        TrainingError("row 3: no.\nTrainingError: an image.", "Remove\nthe row.", "data.path"),
        TrainingError("an image cannot be decoded", ""),
        RowError('row 3 (document a: "b")', "its answer\nis: empty", "Fill it.\nOr not."),
        RowError("row 3", "the answer is empty"),
    ],
    ids=repr,
)
def test_an_error_of_a_dataloader_worker_keeps_its_arguments(error: UserError) -> None:
    with pytest.raises(type(error)) as raised:
        list(DataLoader(_Failing(error), num_workers=1))
    assert vars(raised.value) == vars(error)
    assert str(raised.value) == str(error)
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(error)  # noqa: S301


def test_a_traceback_ends_with_message_and_advice() -> None:
    lines = traceback.format_exception_only(TrainingError("the page is blank", "Leave it out"))
    assert [line.partition(": ")[2] for line in lines] == ["the page is blank. Leave it out\n"]
