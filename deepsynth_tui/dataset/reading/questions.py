"""Questions and answers about one document, as rows hold them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deepsynth_tui.config.fields import as_text

QuestionAnswer = tuple[str, str]

# Keys of the question and the answer in a list of records, most usual first.
QUESTION_KEYS = ("question", "query", "prompt", "user", "human", "q")
ANSWER_KEYS = ("answer", "response", "completion", "assistant", "gpt", "a")


class NotQuestions(ValueError):
    """A value that cannot be read as questions with answers; the message says why."""


def read_questions(questions: Any, answers: Any) -> tuple[QuestionAnswer, ...]:
    """Return the questions of a row with their answers; a missing text is "".

    `questions` is a text, a list of texts, or a list of records such as `{question, answer}` (or,
    as Arrow stores one, a record of lists). `answers` goes with texts: one for each question.

    Raises:
        NotQuestions: the values are something else, or their numbers differ.
    """
    if questions is None:
        return ()
    if isinstance(questions, Mapping):
        return tuple(_pairs_in_columns(questions))
    items = questions if isinstance(questions, list) else [questions]
    if any(isinstance(item, Mapping) for item in items):
        return tuple(_pair_in_record(item) for item in items)
    if answers is None:
        raise NotQuestions("has questions without answers")
    answers = answers if isinstance(answers, list) else [answers]
    return tuple(_zipped(items, answers))


def _pairs_in_columns(columns: Mapping[str, Any]) -> Iterator[QuestionAnswer]:
    question, answer = _key(columns, QUESTION_KEYS), _key(columns, ANSWER_KEYS)
    values = columns[question], columns[answer]
    questions, answers = (value if isinstance(value, list) else [value] for value in values)
    return _zipped(questions, answers)


def _pair_in_record(record: Any) -> QuestionAnswer:
    if not isinstance(record, Mapping):
        raise NotQuestions(f"has a list with {type(record).__name__} beside records")
    question, answer = _key(record, QUESTION_KEYS), _key(record, ANSWER_KEYS)
    return _text(record[question]), _text(record[answer])


def _zipped(questions: list[Any], answers: list[Any]) -> Iterator[QuestionAnswer]:
    if len(questions) != len(answers):
        raise NotQuestions(f"has {len(questions)} questions and {len(answers)} answers")
    return zip(map(_text, questions), map(_text, answers), strict=True)


def _key(record: Mapping[str, Any], names: tuple[str, ...]) -> str:
    by_folded_name = {key.casefold(): key for key in reversed(list(record))}
    for name in names:
        if name in by_folded_name:
            return by_folded_name[name]
    raise NotQuestions(f"has records with {', '.join(record) or 'no keys'}, but no {names[0]}")


def _text(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, list):
        raise NotQuestions(f"has {len(value)} answers to one question")
    if value is not None and not isinstance(value, (str, bool, int, float)):
        raise NotQuestions(f"holds {type(value).__name__} in place of a text")
    return as_text(value)
