"""Tokens that mean something to the model besides their text: images, turns, the end of a text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from transformers import AddedToken

from deepsynth_tui.conversations.conversation import message_text
from deepsynth_tui.conversations.errors import RowError

if TYPE_CHECKING:
    from deepsynth_tui.training.data.example import Example
    from deepsynth_tui.training.modeling.processor import Preprocessor

# Names of the turns of a role in messages.
TURN_NAMES = {"system": "system prompt", "user": "question", "assistant": "answer"}


class ControlTokens:
    """The control tokens of a model.

    They are the image tokens of its processor, the tokens that have a role in its tokenizer (start,
    end, padding, unknown), those at which generation ends, and the special tokens that its chat
    template writes. Other special tokens are content, such as those for boxes in an answer.
    """

    def __init__(self, preprocessor: Preprocessor, template: str) -> None:
        tokenizer = preprocessor.tokenizer
        self._special = {
            token.content for token in tokenizer.added_tokens_decoder.values() if token.special
        }
        self.image_tokens = _image_tokens(preprocessor)
        images = any_of(self.image_tokens).pattern
        self.image_surroundings = re.compile(rf"[^\w\s]*\s*(?:{images})\s*")
        named = set(tokenizer.special_tokens_map.values())
        ends = getattr(preprocessor.generation_config, "eos_token_id", None) or []
        ends = [ends] if isinstance(ends, int) else ends
        ending: Iterable[Any] = tokenizer.convert_ids_to_tokens(list(ends))
        self._control = {
            *self.image_tokens,
            *(token for token in (*named, *ending) if token in self._special),
            *(token for token in self._special if token in template),
        }
        self._pattern = any_of(self._special | self._control)

    def check(self, example: Example, rendered: str) -> None:
        """Check that no turn has a control token in its text. `rendered` are all turns as one text.

        The model would read it as an image or as the end of a turn, not as text.

        Raises:
            RowError: a turn has one.
        """
        texts = [message_text(message) for message in example.messages]
        for message, text in zip(example.messages, texts, strict=True):
            for token in dict.fromkeys(self._pattern.findall(text)):
                written = rendered.count(token) > sum(other.count(token) for other in texts)
                if written or token in self._control:
                    name = TURN_NAMES.get(message["role"], f"{message['role']} turn")
                    raise RowError(
                        example.row_id,
                        f"the text of its {name} contains {token}, which the model reads as a "
                        "control token and not as text",
                        f"Remove {token} from the text, or write it in another way, or remove the "
                        "row. An image of a conversation is an image part, not a token.",
                    )

    def split(self, text: str) -> list[str]:
        """Return the special tokens of a text and what lies between them, in order."""
        pieces = re.split(f"({self._pattern.pattern})", text)
        return [piece for piece in pieces if piece]


def any_of(tokens: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that matches any of the tokens, the longest that fits."""
    longest_first = sorted(filter(str.strip, tokens), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def _image_tokens(preprocessor: Preprocessor) -> set[str]:
    """Return the tokens that a processor replaces or writes: of images, videos, their edges."""
    if not preprocessor.reads_images:
        return set()
    attributes = vars(preprocessor.processor)
    tokens = (value for name, value in attributes.items() if name.endswith("_token"))
    return {str(token) for token in tokens if isinstance(token, str | AddedToken) and str(token)}
