"""The Unicode Bidirectional Algorithm (UAX #9): embedding levels and visual order.

Implements rules P2 to I2 and L2 of revision 50, without L1 (the trailing white space that it moves
is not drawn here) and L4 (HarfBuzz mirrors). Bidi classes are single letters in a string, so most
rules are one regular expression each.

Not python-bidi, although it is the oracle of the tests: lines are broken after levels are resolved,
so a level per character is needed, and its Rust function `get_display` returns only the reordered
text of one line (0.15 us per character; here 2.6 us, in right-to-left paragraphs alone). Its
pure-Python `algorithm` module has levels, but takes 3.6 us, predates isolates (it fails an
assertion on U+2067) and does not pair brackets.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache

# One letter for each bidi class (UAX #9, table 4).
LETTERS = {
    "L": "L", "R": "R", "AL": "A", "EN": "E", "ES": "S", "ET": "T", "AN": "N", "CS": "C",
    "NSM": "M", "BN": "b", "B": "B", "S": "G", "WS": "W", "ON": "O",
    "LRI": "l", "RLI": "r", "FSI": "f", "PDI": "p",
    "LRE": "1", "RLE": "2", "LRO": "3", "RLO": "4", "PDF": "5",
}  # fmt: skip
INITIATORS = "lrf"
# Classes that rule X9 removes.
REMOVED = "b12345"
NEUTRAL = "[BGWOlrfp]+"
TO_NEUTRAL = str.maketrans("STC", "OOO")
STRONG = {"L": "L", "R": "R", "E": "R", "N": "R"}
MAX_DEPTH = 125
# BD16 stops pairing at deeper nesting.
MAX_BRACKETS = 63
# Brackets whose partner is not the next code point, and the pair that is canonically equivalent to
# another one.
UNEVEN_BRACKETS = {"[": "]", "{": "}", "［": "］", "｛": "｝", "⦍": "⦐", "⦏": "⦎"}
CANONICAL = {"\u2329": "\u3008", "\u232a": "\u3009"}
# Characters of class R, AL or AN, and controls that make text run from right to left without one.
MAY_BE_RTL = re.compile(
    "[\u0590-\u08ff\u200f\u202b\u202e\u2067\ufb1d-\ufdff\ufe70-\ufefe"
    "\U00010800-\U00010fff\U0001e800-\U0001efff]"
)


def may_be_rtl(text: str) -> bool:
    """Return whether any character of `text` can run from right to left."""
    return MAY_BE_RTL.search(text) is not None


def embedding_levels(text: str) -> tuple[int, list[int]]:
    """Return the level of the paragraph `text` and of each of its characters; odd is RTL."""
    classes = "".join(map(_bidi_class, text))
    base = _first_strong_level(classes, default=0)
    explicit, types = [base] * len(text), classes
    sequences = [[index for index, letter in enumerate(classes) if letter != "b"]]
    if re.search("[lrfp12345]", classes):
        explicit, types = _explicit_levels(classes, base)
        sequences = list(_isolating_run_sequences(classes, explicit))
    levels = list(explicit)
    for indices in sequences:
        resolved = _resolve_sequence(text, types, indices, base, explicit)
        for index, level in zip(indices, resolved, strict=True):
            levels[index] = level
    for index, letter in enumerate(classes):
        if letter in REMOVED:
            levels[index] = levels[index - 1] if index else base
    return base, levels


def visual_order(levels: Sequence[int]) -> list[int]:
    """Return the indices of items with these `levels` from left to right (rule L2)."""
    order = list(range(len(levels)))
    lowest_odd = min((level for level in levels if level % 2), default=None)
    if lowest_odd is None:
        return order
    for level in range(max(levels), lowest_odd - 1, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and levels[order[end]] >= level:
                end += 1
            order[start:end] = order[start:end][::-1]
            start = max(end, start + 1)
    return order


@cache
def _bidi_class(character: str) -> str:
    # Code points newer than Python's Unicode data have no class: treat them as L.
    return LETTERS[unicodedata.bidirectional(character) or "L"]


def _first_strong_level(classes: str, default: int) -> int:
    """Return the level set by the first strong character outside isolates (P2, P3)."""
    depth = 0
    for letter in classes:
        if letter in INITIATORS:
            depth += 1
        elif letter == "p":
            depth = max(0, depth - 1)
        elif depth == 0 and letter in "LRA":
            return int(letter != "L")
    return default


def _matching_isolates(classes: str) -> dict[int, int]:
    """Return the index of the matching PDI by that of each isolate initiator (BD9)."""
    pairs, initiators = {}, []
    for index, letter in enumerate(classes):
        if letter in INITIATORS:
            initiators.append(index)
        elif letter == "p" and initiators:
            pairs[initiators.pop()] = index
    return pairs


def _explicit_levels(classes: str, base: int) -> tuple[list[int], str]:
    """Return the level of each character, and the classes after overrides (X1 to X8)."""
    pairs = _matching_isolates(classes)
    levels: list[int] = []
    types: list[str] = []
    stack = [(base, "", False)]  # level, override, isolate
    overflow_isolates = overflow_embeddings = valid_isolates = 0
    for index, letter in enumerate(classes):
        level, override, _ = stack[-1]
        if letter in "1234":
            levels.append(level)
            types.append("b")
            ltr = letter in "13"
            new = (level + 2) // 2 * 2 if ltr else (level + 1) | 1
            if new <= MAX_DEPTH and not overflow_isolates and not overflow_embeddings:
                stack.append((new, {"3": "L", "4": "R"}.get(letter, ""), False))
            elif not overflow_isolates:
                overflow_embeddings += 1
        elif letter == "5":
            levels.append(level)
            types.append("b")
            if overflow_isolates:
                pass
            elif overflow_embeddings:
                overflow_embeddings -= 1
            elif not stack[-1][2] and len(stack) > 1:
                stack.pop()
        elif letter in INITIATORS:
            levels.append(level)
            types.append(override or letter)
            isolated = classes[index + 1 : pairs.get(index, len(classes))]
            rtl = letter == "r" or (letter == "f" and _first_strong_level(isolated, 0) == 1)
            new = (level + 1) | 1 if rtl else (level + 2) // 2 * 2
            if new <= MAX_DEPTH and not overflow_isolates and not overflow_embeddings:
                valid_isolates += 1
                stack.append((new, "", True))
            else:
                overflow_isolates += 1
        else:
            if letter == "p":
                if overflow_isolates:
                    overflow_isolates -= 1
                elif valid_isolates:
                    overflow_embeddings = 0
                    while not stack[-1][2]:
                        stack.pop()
                    stack.pop()
                    valid_isolates -= 1
                level, override, _ = stack[-1]
            if letter == "B":
                level = base
            levels.append(level)
            types.append("b" if letter == "b" else override or letter)
    return levels, "".join(types)


def _isolating_run_sequences(classes: str, levels: Sequence[int]) -> Iterator[list[int]]:
    """Yield the indices of each isolating run sequence (BD13)."""
    runs: list[list[int]] = []
    for index, letter in enumerate(classes):
        if letter in REMOVED:
            continue
        if runs and levels[runs[-1][-1]] == levels[index]:
            runs[-1].append(index)
        else:
            runs.append([index])
    pairs = _matching_isolates(classes)
    terminators = set(pairs.values())
    run_at = {run[0]: run for run in runs}
    for run in runs:
        if run[0] in terminators:
            continue
        sequence = list(run)
        while sequence[-1] in pairs:
            sequence += run_at[pairs[sequence[-1]]]
        yield sequence


def _resolve_sequence(
    text: str, classes: str, indices: Sequence[int], base: int, explicit: Sequence[int]
) -> list[int]:
    """Return the levels of one isolating run sequence with `explicit` levels (W1 to I2)."""
    if not indices:
        return []
    level = explicit[indices[0]]
    preceding = len(classes[: indices[0]].rstrip("b"))
    level_before = explicit[preceding - 1] if preceding else base
    last = indices[-1]
    following = len(classes) - len(classes[last + 1 :].lstrip("b"))
    is_unmatched = classes[last] in INITIATORS
    level_after = base if is_unmatched or following == len(classes) else explicit[following]
    sos, eos = ("LR"[max(level, outer) % 2] for outer in (level_before, level_after))
    original = "".join(classes[index] for index in indices)
    types = _resolve_weak(original, sos)
    types = _resolve_brackets(text, indices, original, types, sos, level)
    rise = {"R": 1, "E": 2, "N": 2} if level % 2 == 0 else {"L": 1, "E": 1, "N": 1}
    return [level + rise.get(letter, 0) for letter in _resolve_neutral(types, sos, eos, level)]


def _resolve_weak(types: str, sos: str) -> str:
    """Resolve weak types (W1 to W7); `sos` is the type before the first character."""
    types = sos + types
    types = re.sub("(.)(M+)", lambda m: m[1] + ("O" if m[1] in "lrfp" else m[1]) * len(m[2]), types)
    types = re.sub("A[^LRA]*", lambda m: m[0].replace("E", "N"), types).replace("A", "R")
    types = re.sub("(?<=E)[SC](?=E)", "E", types)
    types = re.sub("(?<=N)C(?=N)", "N", types)
    types = re.sub("T+(?=E)|(?<=E)T+", lambda m: "E" * len(m[0]), types)
    types = types.translate(TO_NEUTRAL)
    return re.sub("L[^LR]*", lambda m: m[0].replace("E", "L"), types)[1:]


def _resolve_neutral(types: str, sos: str, eos: str, level: int) -> str:
    """Resolve neutral types (N1, N2)."""
    embedding = "LR"[level % 2]
    types = sos + types + eos

    def resolved(match: re.Match[str]) -> str:
        before, after = STRONG[types[match.start() - 1]], STRONG[types[match.end()]]
        return (before if before == after else embedding) * len(match[0])

    return re.sub(NEUTRAL, resolved, types)[1:-1]


def _resolve_brackets(
    text: str, indices: Sequence[int], original: str, types: str, sos: str, level: int
) -> str:
    """Resolve paired brackets by the direction of their content (N0)."""
    embedding = "LR"[level % 2]
    resolved = list(types)
    for opening, closing in _bracket_pairs(text, indices, types):
        strong_inside = {STRONG[t] for t in resolved[opening + 1 : closing] if t in STRONG}
        if not strong_inside:
            continue
        direction = embedding
        if embedding not in strong_inside:
            preceding = (STRONG[t] for t in reversed(resolved[:opening]) if t in STRONG)
            context = next(preceding, sos)
            direction = context
        for bracket in (opening, closing):
            resolved[bracket] = direction
            mark = bracket + 1
            while mark < len(resolved) and original[mark] == "M":
                resolved[mark] = direction
                mark += 1
    return "".join(resolved)


def _bracket_pairs(text: str, indices: Sequence[int], types: str) -> list[tuple[int, int]]:
    """Return the bracket pairs of a sequence, ordered by opening bracket (BD16)."""
    pairs: list[tuple[int, int]] = []
    stack: list[tuple[str, int]] = []
    for position, (index, letter) in enumerate(zip(indices, types, strict=True)):
        if letter != "O":
            continue
        character = CANONICAL.get(text[index], text[index])
        closing = _closing_bracket(character)
        if closing:
            if len(stack) == MAX_BRACKETS:
                break
            stack.append((closing, position))
        elif any(character == expected for expected, _ in stack):
            while stack:
                expected, opening = stack.pop()
                if expected == character:
                    pairs.append((opening, position))
                    break
    return sorted(pairs)


@cache
def _closing_bracket(character: str) -> str:
    """Return the bracket that closes `character`, empty if it is not an opening bracket."""
    if unicodedata.category(character) != "Ps" or not unicodedata.mirrored(character):
        return ""
    closing = UNEVEN_BRACKETS.get(character, chr(ord(character) + 1))
    return closing if unicodedata.category(closing) == "Pe" else ""
