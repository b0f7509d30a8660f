"""Rows that would give a text-only model the answer to copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepsynth_tui.conversations.errors import RowError

if TYPE_CHECKING:
    from deepsynth_tui.conversations.conversation import Conversation

MAX_ANSWER_SHARE = 0.8  # of a document that contains its answer: an answer to a question is shorter


def refuse_answer_as_document(conversation: Conversation) -> None:
    """Raise RowError if the text that takes the place of the images is the answer itself.

    A text-only model would learn to copy its prompt, and nothing of what the row is about.
    """
    answer = conversation.answer.strip()
    for document in (conversation.document, conversation.prompted_document):
        text = (document or "").strip()
        if answer and answer in text and len(answer) >= MAX_ANSWER_SHARE * len(text):
            raise RowError(
                conversation.row_id,
                "the text that a text-only model reads in place of the images is the answer "
                "itself: it would learn to copy",
                "Choose a model that reads images, or a dataset whose answer is not its text.",
            )
