"""Errors of a step name the rows of the batch, unless the rows are not the cause."""

from __future__ import annotations

import pytest
import torch

from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.row_errors import BatchError, errors_with_row_ids

ROWS = ["row 3 (document a)", "row 7"]


def test_an_error_of_the_model_names_the_rows():
    where = r"step 5, on row 3 \(document a\), row 7"
    with pytest.raises(BatchError, match=where) as raised, errors_with_row_ids(ROWS, 5):
        raise IndexError("index 9 is out of range")
    assert isinstance(raised.value.__cause__, IndexError)


@pytest.mark.parametrize(
    "error",
    [
        TrainingError("explained", "already"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[gloo/transport/tcp/pair.cc:537] Connection closed by peer"),
    ],
    ids=["explained", "memory", "memory of a library", "lost connection"],
)
def test_errors_that_rows_do_not_cause_keep_their_type(error: Exception):
    with pytest.raises(type(error)) as raised, errors_with_row_ids(ROWS, 5):
        raise error
    assert raised.value is error
