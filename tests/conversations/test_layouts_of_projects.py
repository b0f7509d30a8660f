"""Rows as the documentation of other projects lays them out: the right question and answer."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.conversations.columns import Columns
from deepsynth_tui.conversations.dataset import open_dataset, read
from tests.conversations.conftest import colours, outline, png, write_images, write_lines

DATA_URL = "data:image/png;base64," + base64.b64encode(png("green")).decode()

ROWS: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "TRL messages and images": (
        {
            "images": ["a.png"],
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image"}, {"type": "text", "text": "What?"}],
                },
                {"role": "assistant", "content": [{"type": "text", "text": "Red."}]},
            ],
        },
        ["user: [image]What?", "assistant: Red."],
        ["red"],
    ),
    "TRL messages with text content and one image": (
        {
            "image": "a.png",
            "messages": [
                {"role": "user", "content": "What?"},
                {"role": "assistant", "content": "Red."},
            ],
        },
        ["user: [image]What?", "assistant: Red."],
        ["red"],
    ),
    "TRL prompt and completion": (
        {"image": "a.png", "prompt": "What?", "completion": "Red."},
        ["user: [image]What?", "assistant: Red."],
        ["red"],
    ),
    "TRL prompt and completion as messages": (
        {
            "images": ["a.png", "b.png"],
            "prompt": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What?"},
            ],
            "completion": [{"role": "assistant", "content": "Red."}],
        },
        ["system: Be brief.", "user: [image][image]What?", "assistant: Red."],
        ["red", "green"],
    ),
    "OpenAI": (
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What?"},
                        {"type": "image_url", "image_url": {"url": DATA_URL, "detail": "low"}},
                    ],
                },
                {"role": "assistant", "content": "Green.", "weight": 1},
            ]
        },
        ["system: Be brief.", "user: What?[image]", "assistant: Green."],
        ["green"],
    ),
    "LLaVA": (
        {
            "id": "000000033471",
            "image": "a.png",
            "conversations": [
                {"from": "human", "value": "<image>\nWhat?"},
                {"from": "gpt", "value": "Red."},
                {"from": "human", "value": "Sure?"},
                {"from": "gpt", "value": "Yes."},
            ],
        },
        ["user: [image]\nWhat?", "assistant: Red.", "user: Sure?", "assistant: Yes."],
        ["red"],
    ),
    "ShareGPT with a system turn, images in two turns": (
        {
            "images": ["a.png", "b.png"],
            "conversations": [
                {"from": "system", "value": "Be brief."},
                {"from": "human", "value": "<image>What?"},
                {"from": "gpt", "value": "Red."},
                {"from": "human", "value": "And <image>?"},
                {"from": "gpt", "value": "Green."},
            ],
        },
        [
            "system: Be brief.",
            "user: [image]What?",
            "assistant: Red.",
            "user: And [image]?",
            "assistant: Green.",
        ],
        ["red", "green"],
    ),
    "alpaca": (
        {
            "instruction": "Read.",
            "input": "<image>the top line",
            "output": "Red.",
            "system": "Be brief.",
            "history": [["Hello?", "Hi."]],
            "images": ["a.png"],
        },
        [
            "system: Be brief.",
            "user: Hello?",
            "assistant: Hi.",
            "user: Read.\n[image]the top line",
            "assistant: Red.",
        ],
        ["red"],
    ),
    "ms-swift query and response": (
        {
            "query": "<image>What?",
            "response": "Red.",
            "images": ["a.png"],
            "history": [],
            "system": "Be brief.",
        },
        ["system: Be brief.", "user: [image]What?", "assistant: Red."],
        ["red"],
    ),
    "ms-swift messages": (
        {
            "messages": [
                {"role": "user", "content": "<image><image>Compare."},
                {"role": "assistant", "content": "Both.", "loss": False},
                {"role": "user", "content": "Sure?"},
                {"role": "assistant", "content": "Yes.", "loss": True},
            ],
            "images": ["a.png", "b.png"],
        },
        ["user: [image][image]Compare.", "assistant: Both.", "user: Sure?", "assistant: Yes."],
        ["red", "green"],
    ),
    "ms-swift parts with their own images": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "image": "b.png"},
                        {"type": "text", "text": "What?"},
                    ],
                },
                {"role": "assistant", "content": "Green."},
            ]
        },
        ["user: [image]What?", "assistant: Green."],
        ["green"],
    ),
    "ms-swift conversation of pairs": (
        {
            "system": "Be brief.",
            "images": ["a.png"],
            "conversation": [{"human": "<image>What?", "assistant": "Red."}],
        },
        ["system: Be brief.", "user: [image]What?", "assistant: Red."],
        ["red"],
    ),
    "Qwen": (
        {
            "image": ["a.png", "b.png"],
            "conversations": [
                {"from": "human", "value": "<image>\n<image>\nCompare."},
                {"from": "gpt", "value": "Both."},
            ],
        },
        ["user: [image]\n[image]\nCompare.", "assistant: Both."],
        ["red", "green"],
    ),
    "the Cauldron": (
        {
            "images": ["a.png"],
            "texts": [{"user": "What?", "assistant": "Red.", "source": "x"}],
        },
        ["user: [image]What?", "assistant: Red."],
        ["red"],
    ),
    "DocVQA": (
        {"image": "a.png", "questionId": 3, "question": "What?", "answers": ["Red.", "red"]},
        ["user: [image]What?", "assistant: Red."],
        ["red"],
    ),
    "ChartQA": (
        {"image": "a.png", "query": "What?", "label": ["Red."], "human_or_machine": 0},
        ["user: [image]What?", "assistant: Red."],
        ["red"],
    ),
    "OCR-VQA": (
        {"image": "a.png", "questions": ["What?", "Sure?"], "answers": ["Red.", "Yes."]},
        ["user: [image]What?", "assistant: Red.", "user: Sure?", "assistant: Yes."],
        ["red"],
    ),
    "Donut": (
        {"image": "a.png", "ground_truth": '{"gt_parse": {"total": 3}}'},
        ["user: [image]Read the document and answer.", 'assistant: {"gt_parse": {"total": 3}}'],
        ["red"],
    ),
    "image and text": (
        {"image": "a.png", "text": "Red."},
        ["user: [image]Read the document and answer.", "assistant: Red."],
        ["red"],
    ),
    "a number": (
        {"image": "a.png", "question": "How many?", "answer": 0},
        ["user: [image]How many?", "assistant: 0"],
        ["red"],
    ),
    "a boolean": (
        {"image": "a.png", "problem": "Red?", "solution": True},
        ["user: [image]Red?", "assistant: true"],
        ["red"],
    ),
    "an object": (
        {"image": "a.png", "question": "Read.", "answer": {"total": "3 €"}},
        ["user: [image]Read.", 'assistant: {"total": "3 €"}'],
        ["red"],
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row(tmp_path: Path, name: str):
    row, turns, images = ROWS[name]
    write_images(tmp_path, "a.png", "b.png")
    path = write_lines(tmp_path / "rows.jsonl", row)
    (conversation,) = read(str(path))
    assert outline(conversation) == turns
    assert colours(conversation) == images
    # Described in words: its columns, and what is not read.
    dataset = open_dataset(str(path))
    described = " ".join(dataset.description())
    assert all(column in described for column in row if column != "id")


def test_rows_have_image_or_images(tmp_path: Path):
    write_images(tmp_path, "a.png", "b.png")
    one = {"image": "a.png", "question": "?", "answer": "Red."}
    two = {"images": ["a.png", "b.png"], "question": "?", "answer": "Both."}
    path = write_lines(tmp_path / "rows.jsonl", one, two)
    assert [colours(row) for row in read(str(path))] == [["red"], ["red", "green"]]


def test_which_answers_are_learned(tmp_path: Path):
    write_images(tmp_path, "a.png", "b.png")
    path = write_lines(tmp_path / "rows.jsonl", ROWS["ms-swift messages"][0], ROWS["OpenAI"][0])
    swift, openai = read(str(path))
    assert [turn.get("learned") for turn in swift.messages] == [None, False, None, True]
    assert [turn.get("learned") for turn in openai.messages] == [None, None, True]


def test_any_valid_json_in_one_file(tmp_path: Path):
    write_images(tmp_path, "a.png")
    turn = {"role": "assistant", "content": "Red."}
    parts = [{"type": "image", "image": "a.png"}, {"type": "text", "text": "What?"}]
    path = write_lines(
        tmp_path / "rows.jsonl",
        {"id": 1, "image": "a.png", "messages": [{"role": "user", "content": "What?"}, turn]},
        {"id": "b", "image": ["a.png"], "messages": [{"role": "user", "content": "What?"}, turn]},
        {"id": None, "messages": [{"role": "user", "content": parts}, turn]},
        {"messages": [{"role": "user", "content": "No image?"}, turn], "image": None},
    )
    *with_image, without = read(str(path))
    assert [outline(item)[0] for item in with_image] == ["user: [image]What?"] * 3
    assert outline(without) == ["user: No image?", "assistant: Red."]


@pytest.mark.parametrize(
    ("row", "columns", "turns"),
    [
        (
            {"image": "a.png", "q": "What?", "a": "Red.", "answer": "no"},
            Columns(question="q", target="a"),
            ["user: [image]What?", "assistant: Red."],
        ),
        (
            {"image": "a.png", "text": "What?", "label": "Red."},
            Columns(question="text"),
            ["user: [image]What?", "assistant: Red."],
        ),
        (
            {"image": "b.png", "scan": "a.png", "chat": ROWS["Qwen"][0]["conversations"][1:]},
            Columns(images="scan", messages="chat"),
            [],
        ),
        (
            {"image": "a.png", **ROWS["the Cauldron"][0], "target": "Blue.", "images": None},
            Columns(images="image", target="target", messages="texts"),
            ["user: [image]What?", "assistant: Blue."],
        ),
        (
            {"prompt": "What?", "chosen": "Red.", "rejected": "Blue.", "image": "a.png"},
            Columns(target="chosen"),
            ["user: [image]What?", "assistant: Red."],
        ),
    ],
)
def test_named_columns(tmp_path: Path, row: dict[str, Any], columns: Columns, turns: list[str]):
    write_images(tmp_path, "a.png")
    path = write_lines(tmp_path / "rows.jsonl", row)
    errors: list[Any] = []
    conversations = list(read(str(path), columns=columns, skip=errors.append))
    assert [outline(item) for item in conversations] == ([turns] if turns else [])
    assert bool(errors) == (not turns)
