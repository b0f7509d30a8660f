"""A child process that answers many questions."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from deepsynth_tui import child_process
from deepsynth_tui.child_process import ChildError
from deepsynth_tui.child_session import Session, SessionClosed


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session("tests.session_server", subject="The server")
    yield session
    session.close()
    assert not child_process.live_children


def test_one_process_answers_in_parts_refuses_and_goes_on(session: Session) -> None:
    parts: list[int] = []
    process = session.ask({"task": "count", "to": 3}, parts.append)
    assert parts == [0, 1, 2]
    with pytest.raises(ChildError, match=r"That is not known\. Ask something else"):
        session.ask({"task": "refuse"})
    with pytest.raises(ChildError, match="explained: a bug"):
        session.ask({"task": "fail"})
    assert session.ask({"task": "print"}) == process, "what it prints is no answer"


def test_a_cancelled_answer_ends_early_and_the_next_one_does_not(session: Session) -> None:
    parts: list[int] = []

    def cancel_at_the_third(part: int) -> None:
        parts.append(part)
        if part == 2:
            session.cancel()

    assert session.ask({"task": "forever"}, cancel_at_the_third) == "cancelled"
    assert len(parts) >= 3
    session.ask({"task": "count", "to": 4}, parts.append)
    assert parts[-4:] == [0, 1, 2, 3]


def test_a_process_that_dies_is_reported_and_started_again(session: Session) -> None:
    process = session.ask({"task": "count", "to": 0})
    with pytest.raises(ChildError, match="The server ended with status 3"):
        session.ask({"task": "die"})
    assert session.ask({"task": "count", "to": 0}) != process


def test_closing_ends_a_question_that_waits(session: Session) -> None:
    started = threading.Event()
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            session.ask({"task": "forever"}, lambda part: started.set())
        except SessionClosed as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert started.wait(60)
    session.close()
    thread.join(60)
    assert len(raised) == 1
    with pytest.raises(SessionClosed):
        session.ask({"task": "count", "to": 0})


def test_a_program_that_ends_forgets_the_processes_that_it_kills(session: Session) -> None:
    session.ask({"task": "count", "to": 1})
    child_process.kill_children()
    assert not child_process.live_children
