"""JSON objects as rows: an object that cannot be a row is an `Unreadable` with the reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from deepsynth_tui.dataset.reading.reader import Unreadable
from deepsynth_tui.json_stream import InvalidJson, JsonStream


class DuplicateKey(Exception):
    """An object has the same key twice, so that one of the values would be lost."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(keys)
        self.unreadable = Unreadable(
            "a JSON object with the same key twice",
            ", ".join(map(repr, keys)),
            "Rename one of the keys.",
        )


def refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object from its items. Raises `DuplicateKey`."""
    values = dict(pairs)
    if len(values) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise DuplicateKey([key for key, count in counts.items() if count > 1])
    return values


DECODER = json.JSONDecoder(object_pairs_hook=refuse_duplicates)
# Finds the end of an object that `DECODER` refuses; `int` refuses more than 4,300 digits.
LENIENT_DECODER = json.JSONDecoder(parse_int=len)


def iter_elements(chunks: Iterator[str]) -> Iterator[tuple[int, Any, str]]:
    """Yield (line, value, text) for each element of the array whose text comes in `chunks`.

    The value of an object with the same key twice, or with an integer of too many digits, is an
    `Unreadable`.

    Raises:
        InvalidJson: the text is not a JSON array.
    """
    stream = JsonStream(chunks, _decode)
    yield from stream.iter_array()
    if stream.peek():
        raise InvalidJson(stream.line, "invalid JSON: unexpected text after the end of the array")


def _decode(text: str, start: int) -> tuple[Any, int]:
    try:
        return DECODER.raw_decode(text, start)
    except DuplicateKey as error:
        return error.unreadable, LENIENT_DECODER.raw_decode(text, start)[1]
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        unreadable = Unreadable("invalid JSON", str(error))
        return unreadable, LENIENT_DECODER.raw_decode(text, start)[1]
