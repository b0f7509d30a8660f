"""Inputs of decoder and encoder: the question, the placeholders, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, BertTokenizer

from deepsynth_tui.builtin import TINY_QWEN3
from deepsynth_tui.builtin.tiny_bert import CONTEXT
from deepsynth_tui.conversations.conversation import DEFAULT_INSTRUCTION
from deepsynth_tui.conversations.errors import RowError
from deepsynth_tui.training.data.collator import IGNORE_INDEX, ROW_IDS, Collator
from deepsynth_tui.training.data.count_rows import count_rows
from deepsynth_tui.training.data.dataset import load_split
from deepsynth_tui.training.data.example import Example
from deepsynth_tui.training.data.lengths import TokenCounter
from deepsynth_tui.training.evaluation.samples import answer_logits
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.modeling.processor import load_preprocessor
from deepsynth_tui.training.text_encoder.instruction_tokenizer import (
    INSTRUCTION_IDS,
    INSTRUCTION_MASK,
    InstructionTokenizer,
    load_instruction_tokenizer,
)
from deepsynth_tui.training.text_encoder.load import load_text_encoder
from deepsynth_tui.training.text_encoder.placeholders import SOFT_TOKEN_MASK, insert_placeholders
from deepsynth_tui.training.text_encoder.pooling import pooling_weights
from deepsynth_tui.training.text_encoder.soft_tokens import text_encoder_attached
from tests.training import small_roberta
from tests.training.conftest import configuration
from tests.training.small_datasets import example
from tests.training.text_encoder.conftest import ENCODERS, encoder_settings, row_with_question

QUESTION = "Is it red?"  # 10 bytes, so 11 tokens of the Qwen3 encoder and 12 of BERT's


def _collator(values: dict[str, Any], family: str = "qwen3", **changes: Any) -> Collator:
    named = {key: changes.pop(key) for key in list(changes) if "__" not in key}
    section = encoder_settings(family, **named)
    config = configuration(values, text_encoder=section, **changes)
    return Collator(load_model_and_processor(config), config)


def _row(collator: Collator, question: str = QUESTION, answer: str = "yes") -> Example:
    return example(collator, row_with_question(question, answer))


@pytest.mark.parametrize(("max_soft_tokens", "count"), [(1, 1), (4, 4), (50, 11)])
def test_placeholders_replace_the_question(
    values: dict[str, Any], max_soft_tokens: int, count: int
) -> None:
    collator = _collator(values, tokens=max_soft_tokens)
    batch = collator([_row(collator)])

    ids, placeholders = batch["input_ids"][0], batch[SOFT_TOKEN_MASK][0].bool()
    decode: Any = collator.tokenizer.decode
    assert int(ids[0]) == collator.tokenizer.bos_token_id
    assert placeholders.nonzero().flatten().tolist() == list(range(1, 1 + count))
    assert "red" not in decode(ids)
    assert collator.instruction_tokenizer is not None
    decode_instruction: Any = collator.instruction_tokenizer.tokenizer.decode
    assert decode_instruction(batch[INSTRUCTION_IDS][0], skip_special_tokens=True) == QUESTION
    assert bool((batch["labels"][0][placeholders] == IGNORE_INDEX).all())
    assert bool(batch["attention_mask"][0][placeholders].all())
    assert decode(batch["labels"][0][batch["labels"][0] != IGNORE_INDEX]) == "yes<|im_end|>\n"
    plain = configuration(values)
    without_encoder = Collator(load_preprocessor(plain, local_files_only=True), plain)
    without = without_encoder([_row(without_encoder, "", "yes")])["input_ids"][0]
    assert torch.equal(ids[~placeholders], without)


def test_rows_are_counted_with_their_soft_tokens(
    values: dict[str, Any],
) -> None:
    collator = _collator(values, tokens=16)
    counter = TokenCounter(collator)
    for question in (QUESTION, "?", "What colour has the page?"):
        rendered = collator.render(_row(collator, question))
        assert counter.count(rendered).tokens == collator.encode([rendered])["input_ids"].shape[1]


def test_an_instruction_that_is_too_long_is_refused(
    values: dict[str, Any], questions: Path
) -> None:
    collator = _collator(values, max_length=12, data__path=str(questions))
    rows = load_split(collator.config, images=True).train

    counted = count_rows(rows, collator, report=lambda _: True)
    assert counted is not None
    [error] = counted.errors
    assert re.match(r"row 1 .*instruction has 13 tokens.*\(12\)", error.message)
    assert "Raise text_encoder.max_length to 13" in error.advice


def test_an_instruction_of_unknown_tokens_is_refused(tmp_path: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "what", "is", "it"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    tokenizer = InstructionTokenizer(
        BertTokenizer(vocab=str(tmp_path / "vocab.txt")), max_length=20, max_soft_tokens=1
    )
    assert tokenizer.encode("row 1", "What is 这?") == [2, 5, 6, 1, 1, 3]
    with pytest.raises(RowError, match=r"row 1: .* knows no token of its instruction"):
        tokenizer.encode("row 1", "这是什么")
    with pytest.raises(RowError, match=r"row 1: its instruction contains \[SEP\]"):
        tokenizer.encode("row 1", "What is [SEP]?")


def test_the_instruction_and_the_prompt(values: dict[str, Any], language_model: Path) -> None:
    def rendered(row: dict[str, Any], **changes: Any) -> tuple[str | None, str]:
        collator = _collator(values, **changes)
        chat = collator.render(example(collator, row))
        return chat.example.instruction, chat.prompt

    row = row_with_question(QUESTION, "yes")
    assert rendered(row)[0] == QUESTION
    assert rendered(row, data__instruction="Read it.")[0] == "Read it."
    assert rendered(row | {"messages": None})[0] == QUESTION
    assert rendered(row | {"messages": None, "instruction": None})[0] == DEFAULT_INSTRUCTION
    # A text-only model gets the text of the pages without the question.
    instruction, prompt = rendered(row, model__name_or_path=str(language_model))
    assert (instruction, "It is red." in prompt, QUESTION in prompt) == (QUESTION, True, False)


@pytest.mark.parametrize("family", ["qwen3", "bert"])
@pytest.mark.parametrize("tokens", [1, 6])
def test_a_row_is_the_same_in_any_batch(values: dict[str, Any], family: str, tokens: int) -> None:
    collator = _collator(values, family, tokens=tokens)
    base = load_model_and_processor(collator.config).model
    encoder = load_text_encoder(base, collator.config)
    rows = [
        _row(collator),
        _row(collator, "Say it all, every word of it!", "a much longer answer than the other"),
    ]

    with text_encoder_attached(base, encoder), torch.no_grad():
        batch = collator(rows)
        del batch[ROW_IDS]
        together = base(**batch).logits
        for index, row in enumerate(rows):
            alone = collator.encode([collator.render(row)])
            length = alone["input_ids"].shape[1]
            difference = together[index, :length] - base(**alone).logits[0]
            assert difference.abs().max() < 1e-4
        other = collator.encode([collator.render(_row(collator, "Is it blue?"))])
        same = collator.encode([collator.render(rows[0])])
        assert torch.equal(other["input_ids"], same["input_ids"])
        logits = [answer_logits(base, inputs, collator.config) for inputs in (same, other)]
        assert (logits[0] - logits[1]).abs().max() > 1e-3


def test_soft_tokens_start_with_the_scale_of_embeddings(
    values: dict[str, Any],
) -> None:
    for family in ENCODERS:
        collator = _collator(values, family, tokens=64)
        base = load_model_and_processor(collator.config).model
        encoder = load_text_encoder(base, collator.config)
        assert encoder is not None
        batch = collator([_row(collator)])
        soft = encoder(batch["instruction_ids"], batch["instruction_mask"])
        weight: Any = base.get_input_embeddings().weight
        assert soft.shape[1] == weight.shape[1]
        scale = soft.square().mean().sqrt() / weight.square().mean().sqrt()
        assert scale.item() == pytest.approx(1, abs=0.1)


def test_unused_encoder_inputs_are_an_error(
    values: dict[str, Any],
) -> None:
    collator = _collator(values)
    base = load_model_and_processor(collator.config).model
    batch = collator.encode([collator.render(_row(collator))])
    embedded = base.get_input_embeddings()(batch.pop("input_ids"))
    with (
        text_encoder_attached(base, load_text_encoder(base, collator.config)),
        pytest.raises(RuntimeError, match="embedded no tokens"),
    ):
        base(inputs_embeds=embedded, **{k: v for k, v in batch.items() if "pixel" not in k})


def test_pooling_weights() -> None:
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])

    assert pooling_weights(mask, 1, "first").argmax(2).tolist() == [[0], [0]]
    assert pooling_weights(mask, 1, "last").argmax(2).tolist() == [[4], [1]]
    half, third = 1 / 2, 1 / 3
    several = pooling_weights(mask, 2, "last")
    assert several[0].tolist() == [
        pytest.approx([third, third, third, 0, 0]),
        pytest.approx([0, 0, 0, half, half]),
    ]
    assert several[1].tolist() == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0]]
    assert pooling_weights(mask, 9, "last").any(2).sum(1).tolist() == [5, 2]


@pytest.mark.parametrize("left", [True, False])
def test_placeholders_follow_the_start_token(left: bool) -> None:
    inputs = {
        "input_ids": torch.tensor(
            [[0, 0, 7, 5], [7, 5, 6, 5]] if left else [[7, 5, 0, 0], [7] * 4]
        ),
        "attention_mask": torch.tensor(
            [[0, 0, 1, 1], [1] * 4] if left else [[1, 1, 0, 0], [1] * 4]
        ),
        "mm_token_type_ids": torch.ones(2, 4, dtype=torch.long),
        "pixel_values": torch.ones(2, 4),
    }
    extended = insert_placeholders(
        inputs, [3, 1], placeholder_id=0, bos_token_ids={7}, pad_left=left
    )

    assert extended["input_ids"][0].tolist() == [7, 0, 0, 0, 5]
    assert extended[SOFT_TOKEN_MASK][0].tolist() == [0, 1, 1, 1, 0]
    assert extended["mm_token_type_ids"][0].tolist() == [1, 0, 0, 0, 1]
    assert extended["attention_mask"].all()
    assert extended["pixel_values"] is inputs["pixel_values"]
    assert extended[SOFT_TOKEN_MASK].sum(1).tolist() == [3, 1]


def test_encoders_that_cannot_be_used(
    values: dict[str, Any],
) -> None:
    with pytest.raises(TrainingError, match=r"type is bert, but .* is of type qwen3") as wrong:
        _collator(values, "bert", name_or_path=TINY_QWEN3)
    assert wrong.value.advice == "Set text_encoder.type to qwen3."
    with pytest.raises(TrainingError, match=r"is of type idefics3") as neither:
        _collator(values, "bert", name_or_path=values["model"]["name_or_path"])
    assert "one of the families qwen3, bert" in neither.value.advice
    with pytest.raises(TrainingError, match=rf"reads at most {CONTEXT}"):
        _collator(values, "bert", max_length=CONTEXT + 1)
    with pytest.raises(OSError, match=r"text_encoder\.name_or_path: /nowhere"):
        _collator(values, "bert", name_or_path="/nowhere")


def test_positions_of_a_roberta_start_after_its_padding_id(
    values: dict[str, Any], tmp_path: Path
) -> None:
    folder = str(small_roberta.write(tmp_path / "roberta"))
    declared = AutoConfig.from_pretrained(folder).max_position_embeddings
    readable = small_roberta.POSITIONS
    assert declared > readable
    with pytest.raises(TrainingError, match=rf"reads at most {readable}"):
        _collator(values, "bert", name_or_path=folder, max_length=readable + 1)

    section = encoder_settings("bert", name_or_path=folder, max_length=readable)
    config = configuration(values, text_encoder=section)
    encoder = load_text_encoder(load_model_and_processor(config).model, config)
    assert encoder is not None
    instructions = load_instruction_tokenizer(config.text_encoder)
    longest = instructions.encode(
        "row", "x" * (readable - 2)
    )  # one token per byte, plus two special tokens
    assert len(longest) == readable
    batch = instructions.batch([longest, instructions.encode("row", "short")])
    states = encoder.encoder(
        batch[INSTRUCTION_IDS], attention_mask=batch[INSTRUCTION_MASK]
    ).last_hidden_state
    assert states.isfinite().all()
    alone = encoder.encoder(
        batch[INSTRUCTION_IDS][1:, :7], attention_mask=batch[INSTRUCTION_MASK][1:, :7]
    )
    torch.testing.assert_close(states[1, :7], alone.last_hidden_state[0])
