"""The layout of a dataset, found from the names and types of its columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from deepsynth_tui.config.data import FORMER_DEFAULTS
from deepsynth_tui.conversations.columns import (
    ANSWER_NAMES,
    IMAGE_KINDS,
    IMAGE_NAMES,
    MESSAGES_NAMES,
    QUESTION_NAMES,
    SYSTEM_NAMES,
    TEXT_KINDS,
    Choice,
    Columns,
    check_named_columns,
    choose,
    columns_named,
    listed,
)
from deepsynth_tui.conversations.conversation import DEFAULT_INSTRUCTION
from deepsynth_tui.conversations.errors import DatasetError
from deepsynth_tui.conversations.layouts.layout import Layout, RowColumns
from deepsynth_tui.conversations.layouts.messages import KNOWN_KEYS, messages_turns, tags_of
from deepsynth_tui.conversations.layouts.prompt_completion import prompt_completion_turns
from deepsynth_tui.conversations.layouts.question_answer import question_answer_turns
from deepsynth_tui.conversations.layouts.turn_pairs import pair_tags, pair_turns
from deepsynth_tui.conversations.schema import Column, Kind, Schema
from deepsynth_tui.conversations.turns import Tags
from deepsynth_tui.conversations.values import ALTERNATIVES_NAMES

# A column by this name is the text on the images, if it is not the answer.
DOCUMENT = "text"
# Columns of a dataset that `generate` wrote which name, group or repeat what is read.
GENERATED = ("prompted_text", "target", "instruction", "source_id", "source_hash", "pages")
# Reading these rows without these columns would teach something else than the dataset means.
SAID_WHEN_IGNORED = {
    "tools": "tools are not passed to the model",
    "rejected_response": "only the messages are learned, not what is rejected",
    "rejected": "only the accepted answers are learned",
    "objects": "coordinates in `objects` are not used",
    "train_detail": "parts of answers cannot be learned on their own",
}
# A JSON file may have a value of another kind in some row, which is refused there.
ALPACA_ANSWERS = ("output", "response")  # the second one in Dolly
MESSAGE_KINDS: tuple[Kind, ...] = ("objects", "object", "list", "text", "texts")
PROMPT_KINDS: tuple[Kind, ...] = ("text", "objects")
QUESTION_KINDS: tuple[Kind, ...] = (*TEXT_KINDS, "texts", "object", "objects", "list")
ANSWER_KINDS: tuple[Kind, ...] = (*TEXT_KINDS, "texts", "object", "objects", "list")
IMAGE_REFERENCE_KINDS: tuple[Kind, ...] = (
    *IMAGE_KINDS,
    *("bytes", "text", "texts", "object", "objects", "list"),
)


def detect_layout(schema: Schema, named: Columns | None = None, tags: Tags | None = None) -> Layout:
    """Return the layout of rows with these columns.

    In this order: a column of turns, `prompt` and `completion`, a question and an answer, images
    and a text. A question column that the user names comes before a column of turns. `tags` are
    the keys of turns where a `dataset_info.json` gives them.

    Raises:
        DatasetError: a column that the user names does not exist, or there is no answer to learn.
    """
    named = named or Columns()
    check_named_columns(schema, named)
    images = _choose_images(schema, named)
    layout = (
        _messages_layout(schema, named, tags)
        or _prompt_completion_layout(schema, named)
        or _question_answer_layout(schema, named, images)
    )
    system = choose(schema, named.system, SYSTEM_NAMES, TEXT_KINDS)
    columns = replace(
        layout.columns,
        images=images.name,
        more_images=next((name for name in images.others if name.lower() in IMAGE_NAMES[:2]), None)
        if (images.name or "").lower() in IMAGE_NAMES[:2]
        else None,
        system=system.name,
    )
    taken = columns.names()
    if DOCUMENT in schema and DOCUMENT not in taken and schema[DOCUMENT].holds("text"):
        columns = replace(columns, document=DOCUMENT)
    choices = (
        *_describe("images", images, "image_column"),
        *layout.choices,
        *_describe("system prompt", system, "system_column"),
        *([f"text on the images: {DOCUMENT}"] if columns.document else []),
    )
    read = columns.names().union(GENERATED if "prompted_text" in schema else ())
    messages = schema.get(columns.messages or "")
    return replace(
        layout,
        columns=columns,
        choices=choices,
        notices=(*_former_defaults(schema, named), *layout.notices, *_notices(schema, columns)),
        ignored=tuple(name for name in schema if name not in read),
        has_images=images.name is not None or bool(messages and messages.has_image_parts),
    )


def _choose_images(schema: Schema, named: Columns) -> Choice:
    """Return the image column: by its name, or else the first that holds images."""
    usual = [name for name in IMAGE_NAMES if name not in ("page", "pages")]
    by_name = choose(schema, named.images, usual, IMAGE_REFERENCE_KINDS)
    if named.images in schema:
        return by_name
    typed = columns_named(schema, IMAGE_NAMES, IMAGE_KINDS)
    named_usual = [by_name.name, *by_name.others] if by_name.name else []
    others = [
        column.name
        for column in schema.values()
        if column.holds(*IMAGE_KINDS) and column.name.lower() not in ("audio", "audios", "video")
    ]
    order = list(dict.fromkeys(name for name in (*typed, *named_usual, *others) if name))
    return Choice(order[0], tuple(order[1:])) if order else Choice()


def _messages_layout(schema: Schema, named: Columns, tags: Tags | None) -> Layout | None:
    if named.question is not None and named.messages is None:
        return None
    with_turns = {
        name: column for name, column in schema.items() if name == named.messages or column.keys
    }
    choice = choose(with_turns, named.messages, MESSAGES_NAMES, MESSAGE_KINDS)
    if choice.name is None and (as_text := columns_named(schema, MESSAGES_NAMES[:2], ("text",))):
        # JSON text, as in CSV files.
        choice = Choice(next((name for name in as_text if schema[name].kinds), None))
    if choice.name is None:
        return None
    column = schema[choice.name]
    if column.holds("text") or not column.kinds:
        return _layout_of_turns("messages as JSON text", schema, named, choice, Tags())
    if tags or (tags := tags_of(column.keys)):
        name = f"messages ({tags.role} and {tags.content})"
        return _layout_of_turns(name, schema, named, choice, tags)
    if tags := pair_tags(column.keys):
        answer = choose(schema, named.target, (), ANSWER_KINDS).name
        columns = RowColumns(messages=choice.name, answer=answer, tags=tags)
        name = f"pairs of {tags.role} and {tags.content}"
        return Layout(
            name, columns, pair_turns, tuple(_describe("turns", choice, "messages_column"))
        )
    if named.messages is None:
        return None
    raise DatasetError(
        f"data.messages_column: the turns in {choice.name!r} have the keys "
        f"{', '.join(sorted(column.keys)) or 'none'}",
        "Turns have the keys role and content, from and value, or user and assistant.",
        "data.messages_column",
    )


def _layout_of_turns(
    name: str, schema: Schema, named: Columns, choice: Choice, tags: Tags
) -> Layout:
    generated = "prompted_text" in schema
    answer = None
    if named.target is not None:
        answer = choose(schema, named.target, (), ANSWER_KINDS).name
    elif generated and "target" in schema:
        answer = "target"
    columns = RowColumns(
        messages=choice.name,
        answer=answer,
        instruction="instruction" if generated and "instruction" in schema else None,
        prompted_document="prompted_text" if generated else None,
        tags=tags,
    )
    answers = f"last answer: {answer}, in place of the one in {choice.name}"
    choices = (*_describe("turns", choice, "messages_column"), *([answers] if answer else []))
    unread = schema[choice.name or ""].keys - KNOWN_KEYS - {tags.role, tags.content}
    notices = (f"keys of turns that are not read: {', '.join(sorted(unread))}",) if unread else ()
    return Layout(name, columns, messages_turns, choices, notices)


def _prompt_completion_layout(schema: Schema, named: Columns) -> Layout | None:
    if named.question is not None:
        return None
    prompt = _name_of(schema, ("prompt",), PROMPT_KINDS)
    if named.target and named.target in schema and tags_of(schema[named.target].keys):
        completion: str | None = named.target  # a list of turns, as `chosen` of a preference
    elif named.target in (None, FORMER_DEFAULTS["target_column"]):
        completion = _name_of(schema, ("completion",), ANSWER_KINDS)
    else:
        completion = None
    if prompt is None or completion is None:
        return None
    tags = tags_of(schema[prompt].keys) or tags_of(schema[completion].keys) or Tags()
    columns = RowColumns(question=prompt, completion=completion, tags=tags)
    choices = (f"question: {prompt}", f"answer: {completion}")
    return Layout("prompt and completion", columns, prompt_completion_turns, choices)


def _question_answer_layout(schema: Schema, named: Columns, images: Choice) -> Layout:
    others = {name: column for name, column in schema.items() if name != images.name}
    asking = {name: column for name, column in others.items() if name != named.target}
    question = choose(asking, named.question, QUESTION_NAMES, QUESTION_KINDS)
    added = None
    instruction = _name_of(asking, ("instruction",), TEXT_KINDS)
    if named.question is None and instruction and _name_of(others, ALPACA_ANSWERS, ANSWER_KINDS):
        question, added = Choice(instruction), _name_of(asking, ("input", "context"), TEXT_KINDS)
    answering = {name: column for name, column in others.items() if name != question.name}
    answer = choose(answering, named.target, ANSWER_NAMES, ANSWER_KINDS)
    if answer.name is None:
        raise _no_answer(schema)
    asks_in_text = question.name is not None and others[question.name].holds("text")
    columns = RowColumns(
        question=question.name,
        input=added,
        answer=answer.name,
        history=_history(schema),
        instruction=question.name if asks_in_text else None,
        prompted_document="prompted_text" if "prompted_text" in schema else None,
    )
    if added:
        question_lines = [f"question: {question.name} and, below it, {added}"]
    elif question.name:
        question_lines = [*_describe("question", question, "question_column")]
    else:
        question_lines = [f"question: {DEFAULT_INSTRUCTION!r} for each row"]
    choices = (
        *question_lines,
        *([f"earlier turns: {columns.history}"] if columns.history else []),
        *_describe("answer", answer, "target_column"),
    )
    name = "alpaca" if added else "question and answer" if question.name else "image and text"
    notices = tuple(_converted_answers(schema[answer.name]))
    return Layout(name, columns, question_answer_turns, choices, notices)


def _name_of(schema: Schema, names: tuple[str, ...], kinds: Sequence[Kind]) -> str | None:
    return next(iter(columns_named(schema, names, kinds)), None)


def _history(schema: Schema) -> str | None:
    history = schema.get("history")
    return "history" if history and not history.kinds & {"text", "number", "bool"} else None


def _no_answer(schema: Schema) -> DatasetError:
    keys = {name.lower() for name in schema}
    if {"chosen", "rejected"} <= keys:
        return DatasetError(
            "a dataset of preferences (chosen and rejected), which this program does not train on",
            "To learn the chosen answers alone, set data.target_column to chosen.",
            "data.target_column",
        )
    return DatasetError(
        f"data.target_column: no column holds an answer to learn; the dataset has {listed(schema)}",
        f"Expected messages or conversations, prompt and completion, or one of "
        f"{', '.join(ANSWER_NAMES[1:9])}; or name the column with data.target_column.",
        "data.target_column",
    )


def _describe(what: str, choice: Choice, setting: str) -> Iterator[str]:
    if choice.name is not None:
        others = f" (not {', '.join(choice.others)}; see data.{setting})" if choice.others else ""
        yield f"{what}: {choice.name}{others}"


def _former_defaults(schema: Schema, named: Columns) -> Iterator[str]:
    values = {"image_column": named.images, "target_column": named.target}
    for setting, value in values.items():
        if value is not None and value not in schema and value == FORMER_DEFAULTS[setting]:
            yield f"there is no column {value!r}, the former default of data.{setting}"


def _converted_answers(answer: Column) -> Iterator[str]:
    if answer.kinds & {"number", "bool"}:
        yield f"numbers in {answer.name} are learned as text"
    if answer.kinds & {"texts", "objects", "list"}:
        if answer.name.lower() in ALTERNATIVES_NAMES:
            yield f"of the list in {answer.name} the first answer is learned"
        else:
            yield f"lists in {answer.name} are refused unless all their values are equal"
    if "object" in answer.kinds:
        yield f"objects in {answer.name} are learned as JSON text"


def _notices(schema: Schema, columns: RowColumns) -> Iterator[str]:
    read = columns.names()
    for name, effect in SAID_WHEN_IGNORED.items():
        if name in schema and name not in read:
            yield f"column {name} is ignored: {effect}"
