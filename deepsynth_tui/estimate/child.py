"""Ask a child process that has the heavy libraries: one JSON object comes back on stdout.

A process that cannot answer prints ``{"message", "advice"}`` and ends with another status than 0.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any


class ChildError(Exception):
    """No answer came. `message`: what happened; `advice`: what to do next."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message} {advice}")
        self.message = message
        self.advice = advice


def ask(
    module: str,
    arguments: Sequence[str] = (),
    *,
    about: str,
    timeout: float,
    if_late: str,
    given: str = "",
) -> Any:
    """Run ``python -m module`` with `given` on its stdin and return its answer. Blocks.

    `about` names what is asked for, as the subject of a sentence; `if_late` is the advice when
    there is no answer after `timeout` seconds, at which the process is killed.

    Raises:
        ChildError: the process refused, died or was too late.
    """
    try:
        child = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _late(about, timeout, if_late) from error
    return _answer(about, child.returncode, child.stdout, child.stderr)


async def ask_until_cancelled(
    module: str, *, about: str, timeout: float, if_late: str, given: str = ""
) -> Any:
    """The same without blocking; the process is killed when the task that asks is cancelled.

    Raises:
        ChildError: the process refused, died or was too late.
    """
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        async with asyncio.timeout(timeout):
            said, printed = await child.communicate(given.encode())
    except TimeoutError as error:
        raise _late(about, timeout, if_late) from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return _answer(about, child.returncode, said.decode(), printed.decode(errors="replace"))


def _late(about: str, timeout: float, if_late: str) -> ChildError:
    return ChildError(f"{about} was not ready after {timeout:.0f} seconds.", if_late)


def _answer(about: str, status: int | None, said: str, printed: str) -> Any:
    if not said:
        ending = printed.strip().rpartition("\n")[2]
        raise ChildError(
            f"{about} could not be made: its process died with status {status}: {ending}",
            "Run `deepsynth-tui doctor` to see what is missing from the installation.",
        )
    answer = json.loads(said)
    if status != 0:
        raise ChildError(answer["message"], answer["advice"])
    return answer
