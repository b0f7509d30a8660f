"""A column with the question and one with the answer: DocVQA and others, alpaca, ms-swift.

    {"image": .., "question": "..", "answer": ".."}
    {"instruction": "..", "input": "..", "output": "..", "history": [["q", "a"]], "system": ".."}
    {"query": "<image>..", "response": "..", "images": ["a.png"], "history": []}

Without a question column, as in image and text pairs, every row gets `DEFAULT_INSTRUCTION`.
"""

from __future__ import annotations

from typing import Any

from deepsynth_tui.conversations.conversation import DEFAULT_INSTRUCTION
from deepsynth_tui.conversations.errors import UnusableRow
from deepsynth_tui.conversations.layouts.layout import Row, RowColumns
from deepsynth_tui.conversations.turns import Turn, read_turns
from deepsynth_tui.conversations.values import answer_text, to_text


def question_answer_turns(row: Row, columns: RowColumns) -> list[Turn]:
    """Return the turns of the history, the question and the answer.

    Lists of equally many questions and answers are that many turns.
    """
    assert columns.answer is not None
    question = row.get(columns.question) if columns.question else None
    answer = row.get(columns.answer)
    turns = _history_turns(row.get(columns.history)) if columns.history else []
    if isinstance(question, list) and question and isinstance(question[0], dict):
        return [
            *turns,
            *read_turns(question, columns.tags),
            Turn("assistant", answer_text(answer, columns.answer)),
        ]
    if isinstance(question, list):
        return turns + _parallel_turns(question, answer, columns)
    return [
        *turns,
        question_turn(row, columns.question, columns.input),
        Turn("assistant", answer_text(answer, columns.answer)),
    ]


def question_turn(row: Row, column: str | None, input_column: str | None = None) -> Turn:
    """Return the question of a row, with alpaca's `input` on a line of its own."""
    question = to_text(row.get(column)) if column else ""
    added = to_text(row.get(input_column)) if input_column else ""
    text = "\n".join(part for part in (question, added) if part)
    return Turn("user", text or DEFAULT_INSTRUCTION)


def _parallel_turns(questions: list[Any], answers: Any, columns: RowColumns) -> list[Turn]:
    if not isinstance(answers, list) or len(answers) != len(questions):
        number = len(answers) if isinstance(answers, list) else 1
        raise UnusableRow(
            f"{len(questions)} questions in column {columns.question!r}, but {number} answers in "
            f"{columns.answer!r}",
            "Give each question its answer.",
        )
    turns: list[Turn] = []
    for question, answer in zip(questions, answers, strict=True):
        text = answer_text(answer, columns.answer or "")
        turns += [Turn("user", to_text(question)), Turn("assistant", text)]
    return turns


def _history_turns(history: Any) -> list[Turn]:
    """Return the turns of earlier questions and answers: [[question, answer], ..]."""
    turns: list[Turn] = []
    for pair in history or ():
        if not isinstance(pair, list) or len(pair) != 2:
            raise UnusableRow(
                "a history that is no list of pairs of a question and its answer",
                'Write it as [["question", "answer"], ...].',
            )
        question, answer = pair
        turns += [Turn("user", to_text(question)), Turn("assistant", to_text(answer))]
    return turns
