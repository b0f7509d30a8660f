"""The likely cause of a crash."""

from __future__ import annotations

import pytest

from deepsynth_tui.tui.run_view.crash_cause import likely_cause


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (["torch.OutOfMemoryError: CUDA out of memory."], "GPU ran out of memory"),
        (["x", "RuntimeError: DefaultCPUAllocator: can't allocate"], "machine ran out of memory"),
        (["OSError: [Errno 28] No space left on device"], "disk is full"),
        (["Fatal Python error: Segmentation fault", "File x"], "a library or a driver) crashed"),
        (["ModuleNotFoundError: No module named 'x'"], "doctor"),
        (["Traceback", "ValueError: odd"], "Ended with ValueError: odd"),
        (["step 1", "step 2"], "was killed by SIGKILL"),
        ([], "was killed by SIGKILL"),
        (["CUDA out of memory", "No space left on device"], "disk is full"),
    ],
)
def test_the_last_matching_line_decides(lines: list[str], cause: str):
    assert cause in likely_cause(lines)


def test_a_killed_process_is_explained_by_the_kernel_counter():
    killed = likely_cause(["step 1"], killed_for_memory=True, host_memory="30.1 GiB")
    assert "The kernel killed the process: the machine or its container ran out" in killed
    assert "last used 30.1 GiB" in killed
    not_memory = likely_cause([], killed_for_memory=False)
    assert "not out of memory (kernel counter unchanged)" in not_memory
    assert "possibly by the kernel because it ran out of main memory" in likely_cause([])
    printed = likely_cause(["Segmentation fault"], killed_for_memory=True)
    assert "a library or a driver) crashed" in printed
