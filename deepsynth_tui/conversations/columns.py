"""The columns of a dataset: those that a user names, and guesses by name for the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepsynth_tui.config.data import FORMER_DEFAULTS
from deepsynth_tui.conversations.errors import DatasetError
from deepsynth_tui.conversations.schema import Kind, Schema

# Usual names in order of preference; upper and lower case are equal.
IMAGE_NAMES = (
    *("images", "image", "pages", "page", "image_path", "image_paths", "img", "imgs", "img_path"),
    *("picture", "pictures", "photo", "photos", "scan", "image_file", "image_name", "file_name"),
    *("png", "jpg", "jpeg", "webp"),
)
QUESTION_NAMES = (
    *("question", "questions", "query", "prompt", "instruction", "problem", "input"),
    *("user", "user_prompt"),
)
ANSWER_NAMES = (
    *("multiple_choice_answer", "answer", "answers", "response", "output", "target", "completion"),
    *("text", "label", "labels", "ground_truth", "gt", "caption", "captions", "solution", "txt"),
    *("transcription", "transcript", "latex", "latex_formula", "formula", "markdown", "html", "md"),
)
MESSAGES_NAMES = ("messages", "conversations", "conversation", "dialog", "dialogue", "texts")
SYSTEM_NAMES = ("system", "system_prompt")

TEXT_KINDS: tuple[Kind, ...] = ("text", "number", "bool", "other")
IMAGE_KINDS: tuple[Kind, ...] = ("image", "images")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that a user names; None: guessed from the names and types in the dataset."""

    images: str | None = None
    target: str | None = None
    question: str | None = None
    messages: str | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A column, and the others that could have been chosen; no name if there is none."""

    name: str | None = None
    others: tuple[str, ...] = ()


def choose(
    schema: Schema, named: str | None, names: Sequence[str], kinds: Sequence[Kind]
) -> Choice:
    """Return the column that the user names, or the first of `names` with values of `kinds`."""
    if named in schema:
        return Choice(named)
    candidates = columns_named(schema, names, kinds)
    return Choice(candidates[0], tuple(candidates[1:])) if candidates else Choice()


def columns_named(schema: Schema, names: Sequence[str], kinds: Sequence[Kind]) -> list[str]:
    """Return the columns with one of these names and only values of these kinds, in that order.

    A column without any value counts.
    """
    allowed = frozenset(kinds)
    by_lower_case: dict[str, str] = {}
    for column in schema.values():
        if column.kinds <= allowed:
            by_lower_case.setdefault(column.name.lower(), column.name)
    return [by_lower_case[name] for name in names if name in by_lower_case]


def check_named_columns(schema: Schema, named: Columns) -> None:
    """Raise DatasetError if a column that the user names does not exist.

    The former defaults may be missing: nobody chose them.
    """
    settings = {
        "image_column": named.images,
        "target_column": named.target,
        "question_column": named.question,
        "messages_column": named.messages,
        "system_column": named.system,
    }
    for setting, name in settings.items():
        if name is not None and name not in schema and FORMER_DEFAULTS.get(setting) != name:
            raise DatasetError(
                f"data.{setting}: there is no column {name!r}; the dataset has {listed(schema)}",
                "Name one of those, or leave the setting empty to have it guessed.",
                f"data.{setting}",
            )


def listed(schema: Schema) -> str:
    """Return the names of all columns, for a sentence."""
    return ", ".join(schema) or "no columns"
