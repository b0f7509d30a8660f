"""The files of an exam: its rows, and the answers of each candidate, one line per row.

`exam.json` names the dataset and its rows; `answers/<key>.json` describes a candidate and
`answers/<key>.jsonl` holds its answers. A line is appended once a row is answered, so that an exam
that was killed goes on where it was, and another exam of the same rows reuses the answers.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from deepsynth_tui.errors import UserError
from deepsynth_tui.runs import atomic

EXAMS = "exams"  # the folder under the home
EXAM_FILE = "exam.json"
ANSWERS = "answers"
LOCK_FILE = ".lock"
LOCK_SECONDS, RETRY_SECONDS = 5.0, 0.05


@dataclass(frozen=True, slots=True)
class ExamRow:
    """A row: its index in the dataset, its name, the document it belongs to, and its target."""

    index: int
    name: str
    group: str
    target: str


@dataclass(frozen=True, slots=True)
class Exam:
    """What is examined on. `notes` say what was left out, guessed or could not be checked.

    `columns` are those that a person names, by the fields of `conversations.columns.Columns`.
    """

    data: str
    split: str
    fingerprint: str
    rows: Sequence[ExamRow]
    notes: Sequence[str]
    columns: Mapping[str, str | None] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the content of `exam.json`."""
        return {"v": 1, **asdict(self)}


@dataclass(frozen=True, slots=True)
class CandidateRecord:
    """Who answered: an adapter at a strength, or its base with an empty `adapter`.

    `key` follows from everything that decides its answers: weights, settings and strength.
    """

    key: str
    name: str
    adapter: str
    base: str
    base_commit: str | None
    weights_sha256: str | None
    strength: float = 1.0


@dataclass(frozen=True, slots=True)
class ExamAnswer:
    """The answer to a row; `is_cut` if it did not end within its limit of tokens."""

    row: int
    output: str
    is_cut: bool


@dataclass(frozen=True, slots=True)
class ExamFolder:
    """The folder of one exam."""

    path: Path

    def write_exam(self, exam: Exam) -> None:
        """Write `exam.json`, or check that the folder is of the same exam.

        Raises:
            UserError: the folder holds another exam or other files.
            OSError: it cannot be written.
        """
        file = self.path / EXAM_FILE
        if file.is_file():
            there = self.read_exam()
            if (there.fingerprint, list(there.rows)) != (exam.fingerprint, list(exam.rows)):
                raise UserError(
                    f"{self.path} holds an exam on other rows ({there.data}, {len(there.rows)})",
                    "Choose another --output",
                )
        elif self.path.is_dir() and {entry.name for entry in self.path.iterdir()} - {LOCK_FILE}:
            raise UserError(f"{self.path} is not empty and holds no exam", "Choose a new folder")
        (self.path / ANSWERS).mkdir(parents=True, exist_ok=True)
        _write_json(file, exam.to_json())

    def read_exam(self) -> Exam:
        """Return the exam. Raises UserError if there is none, or it cannot be read."""
        content = _read_json(self.path / EXAM_FILE)
        try:
            rows = [ExamRow(**row) for row in content["rows"]]
            return Exam(
                content["data"],
                content["split"],
                content["fingerprint"],
                rows,
                content["notes"],
                content.get("columns", {}),
            )
        except (KeyError, TypeError) as error:
            raise _damaged(self.path / EXAM_FILE) from error

    @contextlib.contextmanager
    def lock(self, *, wait_seconds: float = LOCK_SECONDS) -> Iterator[None]:
        """Hold the folder, so that two processes never answer the same rows.

        A process whose client was killed holds it for a moment longer.

        Raises:
            UserError: another process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + wait_seconds
        with (self.path / LOCK_FILE).open("wb") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() < deadline:
                        time.sleep(RETRY_SECONDS)
                        continue
                    raise UserError(
                        f"Another process works on the exam in {self.path}",
                        "Wait until it ends, or stop it",
                    ) from None
            yield

    def answers(self, key: str) -> dict[int, ExamAnswer]:
        """Return the answers of a candidate so far, by row. A half-written line is not there."""
        file = self.path / ANSWERS / f"{key}.jsonl"
        if not file.is_file():
            return {}
        answers: dict[int, ExamAnswer] = {}
        for line in file.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                answer = ExamAnswer(**json.loads(line))
                answers[answer.row] = answer
        return answers

    def write_candidate(self, record: CandidateRecord) -> None:
        """Write who answers, under the name that was used last. Raises OSError."""
        _write_json(self.path / ANSWERS / f"{record.key}.json", asdict(record))

    @contextlib.contextmanager
    def append_answers(self, key: str) -> Iterator[AnswerWriter]:
        """Yield a writer for the answers of a candidate, without a half-written last line."""
        file = self.path / ANSWERS / f"{key}.jsonl"
        whole = file.read_bytes().rpartition(b"\n") if file.is_file() else (b"", b"", b"")
        with file.open("ab") as stream:
            stream.truncate(len(whole[0]) + len(whole[1]))
            yield AnswerWriter(stream)

    def candidates(self) -> list[CandidateRecord]:
        """Return everyone who has answered rows of this exam."""
        files = sorted((self.path / ANSWERS).glob("*.json"))
        return [CandidateRecord(**_read_json(file)) for file in files]


@dataclass(frozen=True, slots=True)
class AnswerWriter:
    """Appends answers to a file."""

    stream: BinaryIO

    def append(self, answer: ExamAnswer) -> None:
        """Append one line. Raises OSError."""
        self.stream.write(json.dumps(asdict(answer)).encode() + b"\n")
        self.stream.flush()


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    atomic.replace(path, json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f"{path.parent} holds no exam", "Give the folder of an exam") from error
    except ValueError as error:
        raise _damaged(path) from error
    return content


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is damaged", "Delete the folder and start the exam again")
