"""Composing a document: instruction, filters and control characters."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.draw_document import DrawnDocument, cached_renderer, draw_document
from deepsynth_tui.dataset.errors import FlawError
from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.reading.compose import (
    EMPTY_INSTRUCTION,
    ComposedDocument,
    Skipped,
    compose,
)
from deepsynth_tui.dataset.reading.sources import Document
from tests.dataset.recorder import Recorder
from tests.dataset.writing.small_datasets import TINY, numbered, write


def composed_document(
    text: str = "abc", columns: dict[str, str] | None = None, **settings: Any
) -> ComposedDocument:
    outcome = outcome_of(text, columns, **settings)
    assert isinstance(outcome, ComposedDocument)
    return outcome


def outcome_of(
    text: str, columns: dict[str, str] | None = None, **settings: Any
) -> ComposedDocument | Skipped:
    return compose(Document("one", text, None, columns or {}), DatasetConfig(**settings))


def reason(text: str, columns: dict[str, str] | None = None, **settings: Any) -> str:
    outcome = outcome_of(text, columns, **settings)
    assert isinstance(outcome, Skipped)
    return outcome.reason


def test_columns_of_the_row_fill_the_instruction():
    document = composed_document(
        columns={"language": "Gre\x07ek "}, instruction="Summarize in {language}:"
    )
    assert document.instruction == "Summarize in Greek :"
    assert document.prompted_text == document.drawn_text == "Summarize in Greek :\n\nabc"
    assert pickle.loads(pickle.dumps(document)) == document  # noqa: S301 - pickled here


def test_a_document_without_a_value_for_its_instruction_is_skipped():
    assert reason("abc", {"language": " "}, instruction="In {language}:") == EMPTY_INSTRUCTION


def test_an_instruction_in_the_message_is_not_drawn():
    config = DatasetConfig.model_validate(
        {"page": TINY, "instruction": "Read.", "instruction_in": "message"}
    )
    instructed = draw_document(Document("one", "abc", None), config, cached_renderer(config))
    without = DatasetConfig.model_validate({"page": TINY})
    plain = draw_document(Document("one", "abc", None), without, cached_renderer(without))
    assert isinstance(instructed, DrawnDocument)
    assert isinstance(plain, DrawnDocument)
    assert instructed.rows[0].pages == plain.rows[0].pages
    assert instructed.document.instruction == "Read."
    assert instructed.document.prompted_text == "Read.\n\nabc"
    assert instructed.document.drawn_text == "abc"


UNREADABLE = "\u200eco\xadop, 10\xa0km, cafe\u0301"


def test_unreadable_characters_of_the_answer_are_counted_and_kept():
    document = composed_document(UNREADABLE)
    assert document.target == document.drawn_text == UNREADABLE
    assert document.unreadable_characters == {
        "bidi_marks": 1,
        "soft_hyphens": 1,
        "unusual_spaces": 1,
        "decomposed_characters": 1,
    }
    assert not document.normalized_characters


@pytest.mark.parametrize(
    ("forms", "text", "left"),
    [
        (["invisible"], "coop, 10\xa0km, cafe\u0301", 2),
        (["whitespace"], "\u200eco\xadop, 10 km, cafe\u0301", 3),
        (["NFC"], "\u200eco\xadop, 10\xa0km, café", 3),
        (["NFC", "whitespace", "invisible"], "coop, 10 km, café", 0),
    ],
)
def test_what_is_drawn_and_what_is_learned_are_normalized_alike(
    forms: list[str], text: str, left: int
):
    instruction = {"instruction": UNREADABLE, "normalize": forms}
    document = composed_document(UNREADABLE, **instruction)
    assert document.text == document.target == document.instruction == text
    assert document.drawn_text == f"{text}\n\n{text}"
    assert document.unreadable_characters.total() == left
    assert document.normalized_characters.total() == 2 * (4 - left)


def chosen(texts: list[str], instructions: dict[str, float], seed: int = 0) -> list[str]:
    return [
        composed_document(text, instructions=instructions, seed=seed).instruction for text in texts
    ]


def test_instructions_are_drawn_by_weight():
    texts = [f"document {number}" for number in range(2000)]
    counts = Counter(chosen(texts, {"a": 3, "b": 1}))
    assert counts["a"] / len(texts) == pytest.approx(0.75, abs=0.04)
    assert counts["a"] + counts["b"] == len(texts)


@given(st.lists(st.text(st.characters(categories=("L",)), min_size=1), unique=True), st.randoms())
def test_the_choice_does_not_depend_on_the_order(texts: list[str], chance: Any):
    instructions = {"a": 1.0, "b": 2.0, "c": 0.5}
    choices = dict(zip(texts, chosen(texts, instructions), strict=True))
    chance.shuffle(texts)
    shuffled = dict(sorted(instructions.items(), reverse=True))
    assert dict(zip(texts, chosen(texts, shuffled), strict=True)) == choices


def test_the_seed_determines_the_choice():
    texts = [f"document {number}" for number in range(50)]
    several = {"a": 1.0, "b": 1.0}
    assert chosen(texts, several) == chosen(texts, several)
    assert chosen(texts, several) != chosen(texts, several, seed=1)


def test_only_instructions_that_can_be_filled_are_chosen():
    instructions = {"In {language}:": 1000.0, "Read.": 0.001}
    for number in range(20):
        text = f"document {number}"
        assert (
            composed_document(text, {"language": ""}, instructions=instructions).instruction
            == "Read."
        )


@pytest.mark.parametrize(
    ("wanted", "kept", "left_out", "message"),
    [
        ({"min_characters": 4}, "abcd", "abc", "shorter than filter.min_characters"),
        ({"min_characters": 4}, "abcd", "abc\x00", "shorter than filter.min_characters"),
        ({"max_characters": 3}, "abc", "abcd", "longer than filter.max_characters"),
        ({"scripts": ["Latin"]}, "abcd 12 г", "abc где", "not in filter.scripts"),
        ({"scripts": ["Latin"], "script_share": 0.5}, "abc где", "ab где", "not in filter.scripts"),
        ({"scripts": ["Han", "Hiragana"]}, "漢字かな", "カタカナ", "not in filter.scripts"),
    ],
)
def test_filtered_documents_are_skipped(
    wanted: dict[str, Any], kept: str, left_out: str, message: str
):
    assert composed_document(kept, filter=wanted).text == kept
    assert reason(left_out, filter=wanted) == message


def test_filtered_documents_are_counted(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", {**numbered(3), "russian": "Документ.", "short": "D."})
    config = DatasetConfig.model_validate(
        {
            "source": {"path": str(path)},
            "page": TINY,
            "filter": {"scripts": ["Latin"], "min_characters": 5},
        }
    )
    listener = Recorder()
    generate(config, tmp_path / "out", listener)
    assert sorted(listener.warnings) == [
        "skipped 1 of 5 documents, not in filter.scripts: russian",
        "skipped 1 of 5 documents, shorter than filter.min_characters: short",
    ]


def test_control_characters_can_be_shown():
    document = composed_document("a\x00\tb\ufeff\x85\ud800", control_characters="show")
    assert document.text == document.drawn_text == "a<U+0000>\tb<U+FEFF>\x85\ufffd"
    counts = (document.shown_controls, document.removed_controls, document.replaced_surrogates)
    assert counts == (2, 0, 1)
    assert composed_document("a\x00").removed_controls == 1


def test_characters_removed_from_instruction_and_target_are_counted():
    document = Document("one", "a\x00", "b\x01\x02\ud800", {"who": "c\x03\ud800"})
    settings = DatasetConfig(instruction="For {who}:")
    composed = compose(document, settings)
    assert isinstance(composed, ComposedDocument)
    assert (composed.removed_controls, composed.replaced_surrogates) == (4, 2)
    shown = compose(document, settings.model_copy(update={"control_characters": "show"}))
    assert isinstance(shown, ComposedDocument)
    assert shown.instruction == "For c<U+0003>\ufffd:"
    assert (shown.shown_controls, shown.removed_controls) == (4, 0)


def test_removed_control_characters_are_a_flaw_and_shown_ones_are_not(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", {"bell": "a\x07b"})
    settings = {
        "source": {"path": str(path)},
        "page": TINY,
        "flaws": {"removed_characters": "stop"},
    }
    shown = DatasetConfig.model_validate({**settings, "control_characters": "show"})
    assert generate(shown, tmp_path / "shown", Recorder()) == "completed"
    with pytest.raises(FlawError, match="document bell has 1 control"):
        generate(DatasetConfig.model_validate(settings), tmp_path / "removed", Recorder())
