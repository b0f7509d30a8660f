"""Conversations of several turns: which answers are learned, and what their tokens are."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tokenizers import models

from deepsynth_tui.conversations.conversation import Conversation, Message, text_part
from deepsynth_tui.conversations.errors import RowError
from deepsynth_tui.training.data.collator import IGNORE_INDEX, Collator
from deepsynth_tui.training.data.example import Example, ExampleBuilder, Truncation
from deepsynth_tui.training.data.lengths import TokenCounter
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.modeling.processor import load_preprocessor
from tests.training import family_models, small_models
from tests.training.conftest import configuration

TOOL = {"role": "tool", "content": [text_part("Found.")]}
SYSTEM = {"role": "system", "content": [text_part("Be brief.")]}


def asks(text: str, *, images: int = 0) -> Message:
    return {"role": "user", "content": [*[{"type": "image"}] * images, text_part(text)]}


def answers(text: str, **marks: bool) -> Message:
    return {"role": "assistant", "content": [text_part(text)], **marks}


def page(colour: str) -> dict[str, Any]:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def conversation(*messages: Message) -> Conversation:
    """Return a row with a page of another colour for each image part."""
    count = sum(part["type"] == "image" for message in messages for part in message["content"])
    return Conversation("row 7", messages, [page(colour) for colour in ("red", "blue")][:count])


TWO_TURNS = conversation(
    asks("What is it?", images=1), answers("A page."), asks("And this?", images=1), answers("Blue.")
)


def example(collator: Collator, row: Conversation, **truncation: Any) -> Example:
    config = collator.config
    builder = ExampleBuilder(config.data, collator.reads_images, config.text_encoder.enabled)
    return builder.build(row, Truncation(**truncation) if truncation else None)


def learned_texts(collator: Collator, row: Conversation, **truncation: Any) -> list[str]:
    """Return the text of each run of labels."""
    batch = collator.encode([collator.render(example(collator, row, **truncation))])
    labels = batch["labels"][0]
    runs = torch.tensor_split(labels, (labels == IGNORE_INDEX).nonzero().flatten())
    decode: Any = collator.tokenizer.decode
    return [decode(run[run != IGNORE_INDEX]) for run in runs if (run != IGNORE_INDEX).any()]


@pytest.fixture
def collator(values: dict[str, Any], vision_model: Path) -> Collator:
    return _collator(values, vision_model)


@pytest.fixture
def text_collator(values: dict[str, Any], language_model: Path) -> Collator:
    return _collator(values, language_model)


@pytest.mark.parametrize(
    ("make", "end"),
    [
        (small_models.vision_model, "<|im_end|>\n"),
        (small_models.qwen3_vl, "<|im_end|>\n"),
        (family_models.smolvlm, "<|im_end|>\n"),
        (family_models.gemma3, "<end_of_turn>\n"),
        (family_models.qwen3, "<|im_end|>\n"),
    ],
)
def test_a_conversation_trains_as_a_loop_by_hand_does(
    values: dict[str, Any], tmp_path: Path, make: Callable[[Path], Path], end: str
) -> None:
    config = configuration(
        values, model__name_or_path=str(make(tmp_path)), training__max_grad_norm=1.0
    )
    base = load_model_and_processor(config)
    collator = Collator(base, config)
    chat = collator.render(example(collator, TWO_TURNS))
    batch = collator.encode([chat])
    assert learned_texts(collator, TWO_TURNS) == [f"A page.{end}", f"Blue.{end}"]
    assert TokenCounter(collator).count(chat).tokens == batch["input_ids"].shape[1]

    inputs = _inputs_by_hand(base.processor, TWO_TURNS, images=base.reads_images)
    assert set(inputs) == set(batch) - {"labels"}
    for name, value in inputs.items():
        assert torch.equal(batch[name], value), name
    with torch.no_grad():
        logits: Any = base.model(**inputs).logits[0]
        losses = [
            -logits[position - 1].log_softmax(0)[token]
            for position, token in _answer_tokens(collator, inputs["input_ids"][0], end)
        ]
        assert base.model(**batch).loss == pytest.approx(float(sum(losses) / len(losses)), abs=1e-6)


def test_rows_of_one_and_two_turns_are_the_same_in_any_batch(collator: Collator) -> None:
    rows = [TWO_TURNS, conversation(asks("What is it?", images=1), answers("A page."))]
    chats = [collator.render(example(collator, row)) for row in rows]
    batch = collator.encode(chats)
    for i, chat in enumerate(chats):
        alone = collator.encode([chat])
        mask = batch["attention_mask"][i].bool()
        for name in ("input_ids", "labels"):
            assert torch.equal(batch[name][i][mask], alone[name][0])
        assert TokenCounter(collator).count(chat).tokens == int(mask.sum())


def test_no_token_spans_a_prompt_and_its_answer(text_collator: Collator) -> None:
    backend: Any = text_collator.tokenizer.backend_tokenizer
    vocabulary = backend.get_vocab(with_added_tokens=False) | {"ĊB": 1000}
    backend.model = models.BPE(vocab=vocabulary, merges=[("Ċ", "B")])
    tokenize: Any = text_collator.tokenizer
    assert 1000 in tokenize("assistant\nBlue.")["input_ids"]
    row = conversation(asks("What?"), answers("Blue."), asks("And this?"), answers("Brown."))
    batch = text_collator.encode([text_collator.render(example(text_collator, row))])
    assert 1000 not in batch["input_ids"][0]
    assert learned_texts(text_collator, row) == ["Blue.<|im_end|>\n", "Brown.<|im_end|>\n"]


def test_lengths_are_exact_whatever_stands_beside_an_image(
    values: dict[str, Any], tmp_path: Path
) -> None:
    collator = _collator(values, family_models.gemma3(tmp_path))
    counter = TokenCounter(collator)
    collator.tokenizer.chat_template = None
    collator.processor.chat_template = family_models.GEMMA_TEMPLATE.replace(" | trim", "")
    texts = ("What?", "\nWhat?", "\n\nWhat?", "  \n What?")
    for text in texts:
        row = conversation(
            asks(text, images=1), answers("A."), asks("See:\n", images=1), answers("B.")
        )
        chat = collator.render(example(collator, row))
        assert counter.count(chat).tokens == collator.encode([chat])["input_ids"].shape[1], text


@pytest.mark.parametrize(
    ("learn_turns", "messages", "learned"),
    [
        ("all", [asks("1"), answers("a"), asks("2"), answers("b")], ["a", "b"]),
        ("last", [asks("1"), answers("a"), asks("2"), answers("b")], ["b"]),
        ("all", [asks("1"), answers("a", learned=False), asks("2"), answers("b")], ["b"]),
        ("all", [asks("1"), answers("a", learned=True), asks("2"), answers("b")], ["a", "b"]),
        ("all", [asks("1"), answers("a"), asks("2"), answers("b", learned=False)], ["a"]),
        ("last", [asks("1"), answers("a"), asks("2"), answers("b", learned=False)], ["a"]),
        ("all", [SYSTEM, asks("1"), answers("a"), answers("b"), asks("2")], ["a", "b"]),
        ("all", [asks("1"), answers("a"), TOOL, answers("b")], ["a", "b"]),
    ],
)
def test_which_answers_are_learned(
    values: dict[str, Any],
    language_model: Path,
    learn_turns: str,
    messages: list[Message],
    learned: list[str],
) -> None:
    collator = _collator(values, language_model, data__learn_turns=learn_turns)
    texts = learned_texts(collator, conversation(*messages))
    assert texts == [f"{text}<|im_end|>\n" for text in learned]


def test_images_of_turns_that_are_left_out_are_left_out(collator: Collator) -> None:
    row = conversation(
        asks("1", images=1), answers("a"), asks("2", images=1), answers("b", learned=False)
    )
    assert example(collator, row).images == TWO_TURNS.images[:1]


def test_only_the_last_answer_is_truncated(collator: Collator) -> None:
    assert learned_texts(collator, TWO_TURNS, part="answer", characters=2, total=5) == [
        "A page.<|im_end|>\n",
        "Bl",
    ]


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([asks("1"), answers(""), asks("2"), answers("b")], "answer 1 of 2 is empty"),
        ([asks("1"), answers("a", learned=False)], "all its answers that they are not learned"),
        (
            [asks("1"), {"role": "assistant", "content": [{"type": "image"}, text_part("a")]}],
            "answer 1 of 1 has an image",
        ),
        ([answers("a"), asks("1"), answers("b")], "begins with an answer"),
    ],
)
def test_answers_that_cannot_be_learned_are_refused(
    collator: Collator, messages: list[Message], reason: str
) -> None:
    with pytest.raises(RowError, match=f"row 7: .*{reason}"):
        collator.render(example(collator, conversation(*messages)))


@pytest.mark.parametrize(
    "changes",
    [
        {"data__instruction": "Read."},
        {"text_encoder__enabled": True, "text_encoder__name_or_path": "builtin:text-encoder-bert"},
    ],
)
def test_one_instruction_for_several_answers_is_refused(
    values: dict[str, Any], changes: dict[str, Any]
) -> None:
    config = configuration(values, **changes)
    builder = ExampleBuilder(config.data, images=True, text_encoder=config.text_encoder.enabled)
    with pytest.raises(TrainingError, match=r"row 7: .*2 answers of this row") as refused:
        builder.build(TWO_TURNS)
    assert refused.value.key == "data.learn_turns"
    config = configuration(values, **changes, data__learn_turns="last")
    builder = ExampleBuilder(config.data, images=True, text_encoder=config.text_encoder.enabled)
    assert builder.build(TWO_TURNS).learned == [3]


def test_the_instruction_replaces_the_last_question(values: dict[str, Any]) -> None:
    config = configuration(values, data__instruction="Read.", data__learn_turns="last")
    builder = ExampleBuilder(config.data, images=True, text_encoder=False)
    built = builder.build(
        conversation(asks("1", images=1), answers("a"), asks("2"), TOOL, answers("b"))
    )
    texts = [message["content"][-1]["text"] for message in built.messages]
    assert texts == ["1", "a", "Read.", "Found.", "b"]


def _collator(values: dict[str, Any], folder: Path, **changes: Any) -> Collator:
    config = configuration(values, model__name_or_path=str(folder), **changes)
    return Collator(load_preprocessor(config, local_files_only=True), config)


def _inputs_by_hand(processor: Any, row: Conversation, *, images: bool) -> dict[str, Any]:
    """Encode the whole conversation in one call, as it can be for a tokenizer of bytes."""
    messages: Sequence[Any] = row.messages
    if not images:
        texts = [message["content"][-1]["text"] for message in messages]
        messages = [m | {"content": text} for m, text in zip(messages, texts, strict=True)]
    text = processor.apply_chat_template(list(messages), tokenize=False)
    if not images:
        return dict(processor(text, return_tensors="pt", add_special_tokens=False))
    pages = [Image.open(io.BytesIO(image["bytes"])).convert("RGB") for image in row.images]
    return dict(processor(text=[text], images=[pages], return_tensors="pt"))


def _answer_tokens(collator: Collator, ids: torch.Tensor, end: str) -> list[tuple[int, int]]:
    """Return position and id of each token of the answers and their ends."""
    tokens = ids.tolist()
    found = []
    for answer in ("A page.", "Blue."):
        wanted = collator.tokenizer(answer + end, add_special_tokens=False)["input_ids"]
        starts = [i for i in range(len(tokens)) if tokens[i : i + len(wanted)] == wanted]
        assert len(starts) == 1
        found += list(enumerate(wanted, start=starts[0]))
    return found
