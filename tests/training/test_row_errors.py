"""Which rows a failed step is told with, and which failures are no fault of a row."""

from __future__ import annotations

import pytest
import torch

from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.row_errors import BatchError, errors_with_row_ids

ROWS = ["row 3 (document a)", "row 7"]


def test_an_error_of_the_model_names_the_rows():
    told = r"step 5, on row 3 \(document a\), row 7"
    with pytest.raises(BatchError, match=told) as found, errors_with_row_ids(ROWS, 5):
        raise IndexError("index 9 is out of range")
    assert isinstance(found.value.__cause__, IndexError)


@pytest.mark.parametrize(
    "error",
    [
        TrainingError("said", "already"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[gloo/transport/tcp/pair.cc:537] Connection closed by peer"),
    ],
    ids=["known", "memory", "memory of a library", "processes"],
)
def test_what_is_no_fault_of_a_row_stays_what_it_is(error: Exception):
    with pytest.raises(type(error)) as found, errors_with_row_ids(ROWS, 5):
        raise error
    assert found.value is error
