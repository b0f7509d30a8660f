"""Ask one child process many questions, which it answers one after the other, in parts if it likes.

A server is a module whose `main` returns `serve_session(handler)`; its client is a `Session` with
the name of that module. Both write one JSON object per line: the client ``{"question"}`` or
``{"cancel"}``, the server ``{"part"}`` any number of times, then ``{"answer"}`` or ``{"refusal"}``.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import IO, Any

from deepsynth_tui.child_process import ChildError, exit_with_parent, live_children
from deepsynth_tui.errors import UserError


class SessionClosed(ChildError):
    """The client has closed the session."""


class Session:
    """A child process, started with the first question. Its methods may be called in any thread."""

    def __init__(self, module: str, *, subject: str) -> None:
        """`subject` names the process, as the subject of an error message."""
        self._module = module
        self._subject = subject
        self._child: subprocess.Popen[str] | None = None
        self._last_line = ""
        self._is_closed = False
        self._asking = threading.Lock()
        self._changing = threading.Lock()
        self._writing = threading.Lock()

    def ask(self, question: Any, on_part: Callable[[Any], None] | None = None) -> Any:
        """Return the answer; `on_part` gets each part before it. Blocks.

        A process that has died is started again by the next question.

        Raises:
            SessionClosed: the session is or was closed.
            ChildError: the process refused the question, or died.
        """
        with self._asking:
            child = self._started()
            assert child.stdout is not None  # a pipe
            self._send(child, {"question": question})
            for line in child.stdout:
                message = json.loads(line)
                if "answer" in message:
                    return message["answer"]
                if "refusal" in message:
                    raise ChildError(message["refusal"]["message"], message["refusal"]["advice"])
                if on_part is not None:
                    on_part(message["part"])
            status = child.wait()
            if self._is_closed:
                raise SessionClosed(f"{self._subject} was closed")
            raise ChildError(
                f"{self._subject} ended with status {status}: {self._last_line.strip()}",
                "Run `deepsynth-tui doctor` to see what is missing from the installation.",
            )

    def cancel(self) -> None:
        """Ask the process to end its answer early; what it has so far is the answer."""
        if self._child is not None:
            self._send(self._child, {"cancel": True})

    def close(self) -> None:
        """Kill the process. A question that waits for its answer raises `SessionClosed`."""
        with self._changing:
            self._is_closed = True
            if self._child is not None:
                self._child.kill()
                self._child.wait()
                live_children.discard(self._child)

    def _started(self) -> subprocess.Popen[str]:
        with self._changing:
            if self._is_closed:
                raise SessionClosed(f"{self._subject} was closed")
            if self._child is None or self._child.poll() is not None:
                live_children.discard(self._child)
                pipe = subprocess.PIPE
                self._child = subprocess.Popen(
                    [sys.executable, "-m", self._module],
                    stdin=pipe,
                    stdout=pipe,
                    stderr=pipe,
                    text=True,
                    bufsize=1,
                )
                live_children.add(self._child)
                assert self._child.stderr is not None  # a pipe; a full one stops the process
                reader = threading.Thread(
                    target=self._keep_last_line, args=(self._child.stderr,), daemon=True
                )
                reader.start()
            return self._child

    def _keep_last_line(self, stderr: IO[str]) -> None:
        for line in stderr:
            if line.strip():
                self._last_line = line

    def _send(self, child: subprocess.Popen[str], message: dict[str, Any]) -> None:
        assert child.stdin is not None  # a pipe
        with self._writing, contextlib.suppress(BrokenPipeError):  # its end says why it died
            child.stdin.write(json.dumps(message) + "\n")
            child.stdin.flush()


class Answering:
    """The question that a server answers now."""

    def __init__(self, write: Callable[[dict[str, Any]], None]) -> None:
        self._write = write
        self._cancelled = threading.Event()

    @property
    def is_cancelled(self) -> bool:
        """Whether the client wants no more of the answer."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Note that the client wants no more."""
        self._cancelled.set()

    def part(self, value: Any) -> None:
        """Send a part of the answer."""
        self._write({"part": value})


def serve_session(
    handler: Callable[[Any, Answering], Any],
    *,
    explain: Callable[[Exception], UserError] | None = None,
) -> int:
    """Answer the questions on stdin until it ends, and return the exit status.

    A `UserError` becomes a refusal; `explain` turns any other exception into one, and its
    traceback goes to stderr. Without `explain` such an exception propagates.
    """
    exit_with_parent()
    stdout = sys.stdout
    writing = threading.Lock()

    def write(message: dict[str, Any]) -> None:
        with writing:
            stdout.write(json.dumps(message) + "\n")
            stdout.flush()

    # Libraries that print must not spoil the objects on stdout.
    with contextlib.redirect_stdout(sys.stderr):
        for question, answering in _questions(write):
            try:
                write({"answer": handler(question, answering)})
            except UserError as error:
                write({"refusal": {"message": error.message, "advice": error.advice}})
            except Exception as error:  # the process boundary: reported to the client
                if explain is None:
                    raise
                traceback.print_exc()
                explained = explain(error)
                write({"refusal": {"message": explained.message, "advice": explained.advice}})
    return 0


def _questions(write: Callable[[dict[str, Any]], None]) -> Iterator[tuple[Any, Answering]]:
    """Yield each question; a thread reads on, so that a question can be cancelled meanwhile."""
    questions: queue.Queue[tuple[Any, Answering] | None] = queue.Queue()

    def read() -> None:
        current = Answering(write)
        for line in sys.stdin:
            message = json.loads(line)
            if "cancel" in message:
                current.cancel()
            else:
                current = Answering(write)
                questions.put((message["question"], current))
        questions.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (item := questions.get()) is not None:
        yield item
