"""Ask a child process that may import heavy libraries: JSON in on stdin, JSON out on stdout.

A server is a module whose `main` returns `serve(handler)`; its client calls `ask` or `ask_async`
with the name of that module. The server answers one question and exits. If it cannot answer, it
prints ``{"message", "advice"}`` and exits with status 1; the client raises `ChildError` then.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from deepsynth_tui.errors import UserError

PARENT_SECONDS = 0.5  # between two looks at whether the client is alive
_PROGRESS = "progress: "  # begins the lines on stderr that are not for the log
live_children: set[subprocess.Popen[str]] = set()
"""The processes that somebody waits for."""


class ChildError(UserError):
    """The child process gave no answer."""


def ask(
    module: str,
    question: Any = None,
    *,
    arguments: Sequence[str] = (),
    subject: str,
    timeout: float,
    timeout_advice: str,
    on_start: Callable[[subprocess.Popen[str]], None] | None = None,
) -> Any:
    """Run ``python -m module`` with `question` as JSON on its stdin and return its answer. Blocks.

    `subject` names the answer, as the subject of an error message. The process is killed after
    `timeout` seconds; the error then gives `timeout_advice`. `on_start` gets the process.

    Raises:
        ChildError: the process gave no answer, died, or timed out.
    """
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as child:
        live_children.add(child)
        if on_start is not None:
            on_start(child)
        try:
            stdout, stderr = child.communicate(json.dumps(question), timeout)
        except subprocess.TimeoutExpired as error:
            raise _timed_out(subject, timeout, timeout_advice) from error
        finally:
            child.kill()
            live_children.discard(child)
    return _parse_answer(subject, child.returncode, stdout, stderr)


def kill_children() -> None:
    """Kill the processes that threads in `ask` wait for: each call raises ChildError then.

    A program that ends would otherwise wait for its threads, and they for their answers.
    """
    for child in tuple(live_children):
        child.kill()
        live_children.discard(child)


def ask_with_progress(
    module: str,
    question: Any,
    *,
    subject: str,
    on_progress: Callable[[str], None],
    on_start: Callable[[subprocess.Popen[str]], None] | None = None,
) -> Any:
    """Do the same for work that may take hours, without a limit of time.

    `on_progress` gets each text that the process passes to `report_progress`, `on_start` the
    process. It is killed if the caller is interrupted.

    Raises:
        ChildError: the process gave no answer, or died.
    """
    return _parse_answer(subject, *_converse(module, question, on_progress, on_start))


def _converse(
    module: str,
    question: Any,
    on_progress: Callable[[str], None],
    on_start: Callable[[subprocess.Popen[str]], None] | None,
) -> tuple[int, str, str]:
    """Return the exit status of the process, its stdout, and the last line of its stderr."""
    pipe = subprocess.PIPE
    child = subprocess.Popen(
        [sys.executable, "-m", module], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )
    assert child.stdin is not None  # they are pipes
    assert child.stdout is not None
    assert child.stderr is not None
    stdout: list[str] = []
    # Both pipes are read at once: a full one stops the process.
    reader = threading.Thread(target=lambda file: stdout.append(file.read()), args=(child.stdout,))
    last_line = ""
    live_children.add(child)
    try:
        reader.start()
        if on_start is not None:
            on_start(child)
        with contextlib.suppress(BrokenPipeError), child.stdin:
            child.stdin.write(json.dumps(question))
        for line in child.stderr:
            if (text := progress_in(line)) is not None:
                on_progress(text)
            elif line.strip():
                last_line = line
        child.wait()
    finally:
        child.kill()
        child.wait()
        reader.join()
        live_children.discard(child)
    return child.returncode, "".join(stdout), last_line


def report_progress(text: str) -> None:
    """Pass a line of text from the process to the `on_progress` of its client."""
    sys.stderr.write(f"{_PROGRESS}{text}\n")
    sys.stderr.flush()


def progress_in(line: str) -> str | None:
    """Return the text that `report_progress` wrote as this line of stderr, None of any other."""
    return line.removeprefix(_PROGRESS).rstrip("\n") if line.startswith(_PROGRESS) else None


def exit_with_parent() -> None:
    """End this process soon after its client has died, which may be by SIGKILL."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


async def ask_async(
    module: str,
    question: Any = None,
    *,
    arguments: Sequence[str] = (),
    subject: str,
    timeout: float,
    timeout_advice: str,
) -> Any:
    """Do the same without blocking. The process is killed when the calling task is cancelled.

    Raises:
        ChildError: the process gave no answer, died, or timed out.
    """
    children: list[subprocess.Popen[str]] = []
    is_cancelled = threading.Event()

    def started(child: subprocess.Popen[str]) -> None:
        children.append(child)
        if is_cancelled.is_set():
            child.kill()

    try:
        # In a thread: asyncio leaves processes and pipes behind if the loop closes while it starts
        # one, and prints a traceback for each.
        return await asyncio.to_thread(
            ask,
            module,
            question,
            arguments=arguments,
            subject=subject,
            timeout=timeout,
            timeout_advice=timeout_advice,
            on_start=started,
        )
    except asyncio.CancelledError:
        is_cancelled.set()
        for child in children:
            child.kill()
        raise


def serve(
    handler: Callable[[Any], Any], *, explain: Callable[[Exception], UserError] | None = None
) -> int:
    """Answer the question on stdin with what `handler` returns for it, and return the exit status.

    A `UserError` becomes the refusal that `ChildError` repeats. `explain` turns any other exception
    into one; its traceback goes to stderr. Without `explain` such an exception propagates.
    """
    # Libraries that print must not spoil the one object on stdout.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            answer, status = handler(json.load(sys.stdin)), 0
        except UserError as error:
            answer, status = _refusal(error), 1
        except Exception as error:  # the process boundary: reported, and exit status 1
            if explain is None:
                raise
            traceback.print_exc()
            answer, status = _refusal(explain(error)), 1
    print(json.dumps(answer))  # noqa: T201 - the answer of this process
    return status


def _refusal(error: UserError) -> dict[str, str]:
    return {"message": error.message, "advice": error.advice}


def _timed_out(subject: str, timeout: float, advice: str) -> ChildError:
    return ChildError(f"{subject} was not ready after {timeout:.0f} seconds.", advice)


def _parse_answer(subject: str, status: int | None, stdout: str, stderr: str) -> Any:
    if not stdout:
        last_line = stderr.strip().rpartition("\n")[2]
        raise ChildError(
            f"{subject} could not be made: the child process exited with status {status}: "
            f"{last_line}",
            "Run `deepsynth-tui doctor` to see what is missing from the installation.",
        )
    answer = json.loads(stdout)
    if status != 0:
        raise ChildError(answer["message"], answer["advice"])
    return answer
