"""Which way each character of a paragraph runs: the Unicode Bidirectional Algorithm.

UAX #9, revision 50, rules P2 to I2 and L2, without L1 (the white space that it moves to the end
of a line is not drawn here) and L4 (HarfBuzz mirrors). Classes of characters are letters in a
string, so that most rules are one regular expression each.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache

# One letter for each class of characters (UAX #9, table 4).
LETTERS = {
    "L": "L", "R": "R", "AL": "A", "EN": "E", "ES": "S", "ET": "T", "AN": "N", "CS": "C",
    "NSM": "M", "BN": "b", "B": "B", "S": "G", "WS": "W", "ON": "O",
    "LRI": "l", "RLI": "r", "FSI": "f", "PDI": "p",
    "LRE": "1", "RLE": "2", "LRO": "3", "RLO": "4", "PDF": "5",
}  # fmt: skip
INITIATORS = "lrf"
# X9: these have no place in the order of characters.
REMOVED = "b12345"
NEUTRAL = "[BGWOlrfp]+"
TO_NEUTRAL = str.maketrans("STC", "OOO")
STRONG = {"L": "L", "R": "R", "E": "R", "N": "R"}
MAX_DEPTH = 125
# BD16 gives up on deeper nesting.
MAX_BRACKETS = 63
# Whose closing bracket is not the next character, and the pair that is canonically another one.
UNEVEN_BRACKETS = {"[": "]", "{": "}", "［": "］", "｛": "｝", "⦍": "⦐", "⦏": "⦎"}
CANONICAL = {"\u2329": "\u3008", "\u232a": "\u3009"}
# Characters of class R, AL or AN, and what makes text run from right to left without one.
MAY_REORDER = re.compile(
    "[\u0590-\u08ff\u200f\u202b\u202e\u2067\ufb1d-\ufdff\ufe70-\ufefe"
    "\U00010800-\U00010fff\U0001e800-\U0001efff]"
)


def may_reorder(text: str) -> bool:
    """Return whether any character of `text` can run from right to left."""
    return MAY_REORDER.search(text) is not None


def levels(text: str) -> tuple[int, list[int]]:
    """Return the level of the paragraph `text`, and of each of its characters; odd is leftward."""
    classes = "".join(map(_letter, text))
    base = _first_strong(classes, default=0)
    embedded, types = [base] * len(text), classes
    sequences = [[place for place, letter in enumerate(classes) if letter != "b"]]
    if re.search("[lrfp12345]", classes):
        embedded, types = _explicit(classes, base)
        sequences = list(_sequences(classes, embedded))
    found = list(embedded)
    for places in sequences:
        for place, level in zip(
            places, _resolved(text, types, places, base, embedded), strict=True
        ):
            found[place] = level
    for place, letter in enumerate(classes):
        if letter in REMOVED:
            found[place] = found[place - 1] if place else base
    return base, found


def visual_order(levels: Sequence[int]) -> list[int]:
    """Return the places of items with these `levels` from left to right (rule L2)."""
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
def _letter(character: str) -> str:
    # Code points that this Python's Unicode does not know yet have no class.
    return LETTERS[unicodedata.bidirectional(character) or "L"]


def _first_strong(classes: str, default: int) -> int:
    """Return the level that the first strong character outside isolates asks for (P2, P3)."""
    depth = 0
    for letter in classes:
        if letter in INITIATORS:
            depth += 1
        elif letter == "p":
            depth = max(0, depth - 1)
        elif depth == 0 and letter in "LRA":
            return int(letter != "L")
    return default


def _matching(classes: str) -> dict[int, int]:
    """Return where the isolate that begins at each place ends (BD9)."""
    pairs, open_places = {}, []
    for place, letter in enumerate(classes):
        if letter in INITIATORS:
            open_places.append(place)
        elif letter == "p" and open_places:
            pairs[open_places.pop()] = place
    return pairs


def _explicit(classes: str, base: int) -> tuple[list[int], str]:
    """Return the level of each character, and the classes after overrides (X1 to X8)."""
    pairs = _matching(classes)
    found: list[int] = []
    resolved: list[str] = []
    stack = [(base, "", False)]  # level, override, isolate
    overflow_isolates = overflow_embeddings = valid_isolates = 0
    for place, letter in enumerate(classes):
        level, override, _ = stack[-1]
        if letter in "1234":
            found.append(level)
            resolved.append("b")
            rightward = letter in "13"
            new = (level + 2) // 2 * 2 if rightward else (level + 1) | 1
            if new <= MAX_DEPTH and not overflow_isolates and not overflow_embeddings:
                stack.append((new, {"3": "L", "4": "R"}.get(letter, ""), False))
            elif not overflow_isolates:
                overflow_embeddings += 1
        elif letter == "5":
            found.append(level)
            resolved.append("b")
            if overflow_isolates:
                pass
            elif overflow_embeddings:
                overflow_embeddings -= 1
            elif not stack[-1][2] and len(stack) > 1:
                stack.pop()
        elif letter in INITIATORS:
            found.append(level)
            resolved.append(override or letter)
            inside = classes[place + 1 : pairs.get(place, len(classes))]
            leftward = letter == "r" or (letter == "f" and _first_strong(inside, 0) == 1)
            new = (level + 1) | 1 if leftward else (level + 2) // 2 * 2
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
            found.append(level)
            resolved.append("b" if letter == "b" else override or letter)
    return found, "".join(resolved)


def _sequences(classes: str, levels: Sequence[int]) -> Iterator[list[int]]:
    """Yield the places of each isolating run sequence (BD13)."""
    kept = [place for place, letter in enumerate(classes) if letter not in REMOVED]
    runs: list[list[int]] = []
    for place in kept:
        if runs and levels[runs[-1][-1]] == levels[place]:
            runs[-1].append(place)
        else:
            runs.append([place])
    pairs = _matching(classes)
    ends = set(pairs.values())
    by_start = {run[0]: run for run in runs}
    for run in runs:
        if run[0] in ends:
            continue
        whole = list(run)
        while whole[-1] in pairs:
            whole += by_start[pairs[whole[-1]]]
        yield whole


def _resolved(
    text: str, classes: str, places: Sequence[int], base: int, levels: Sequence[int]
) -> list[int]:
    """Return the levels of one isolating run sequence of embedding `levels` (W1 to I2)."""
    if not places:
        return []
    level = levels[places[0]]
    preceding = len(classes[: places[0]].rstrip("b"))
    before = levels[preceding - 1] if preceding else base
    last = places[-1]
    following = len(classes) - len(classes[last + 1 :].lstrip("b"))
    ends_open = classes[last] in INITIATORS
    after = base if ends_open or following == len(classes) else levels[following]
    start, end = ("LR"[max(level, other) % 2] for other in (before, after))
    original = "".join(classes[place] for place in places)
    types = _brackets(text, places, original, _weak(original, start), start, level)
    rise = {"R": 1, "E": 2, "N": 2} if level % 2 == 0 else {"L": 1, "E": 1, "N": 1}
    return [level + rise.get(letter, 0) for letter in _neutral(types, start, end, level)]


def _weak(types: str, start: str) -> str:
    """Resolve weak types (W1 to W7); `start` is the type before the first."""
    types = start + types
    types = re.sub("(.)(M+)", lambda m: m[1] + ("O" if m[1] in "lrfp" else m[1]) * len(m[2]), types)
    types = re.sub("A[^LRA]*", lambda m: m[0].replace("E", "N"), types).replace("A", "R")
    types = re.sub("(?<=E)[SC](?=E)", "E", types)
    types = re.sub("(?<=N)C(?=N)", "N", types)
    types = re.sub("T+(?=E)|(?<=E)T+", lambda m: "E" * len(m[0]), types)
    types = types.translate(TO_NEUTRAL)
    return re.sub("L[^LR]*", lambda m: m[0].replace("E", "L"), types)[1:]


def _neutral(types: str, start: str, end: str, level: int) -> str:
    """Resolve neutral types (N1, N2)."""
    own = "LR"[level % 2]
    around = start + types + end

    def resolved(match: re.Match[str]) -> str:
        left, right = STRONG[around[match.start() - 1]], STRONG[around[match.end()]]
        return (left if left == right else own) * len(match[0])

    return re.sub(NEUTRAL, resolved, around)[1:-1]


def _brackets(
    text: str, places: Sequence[int], original: str, types: str, start: str, level: int
) -> str:
    """Give paired brackets the direction of what they hold (N0)."""
    own = "LR"[level % 2]
    found = list(types)
    for opening, closing in _pairs(text, places, types):
        inside = {STRONG[t] for t in found[opening + 1 : closing] if t in STRONG}
        if not inside:
            continue
        direction = own
        if own not in inside:
            before = next((STRONG[t] for t in reversed(found[:opening]) if t in STRONG), start)
            direction = before if before != own else own
        for bracket in (opening, closing):
            found[bracket] = direction
            follower = bracket + 1
            while follower < len(found) and original[follower] == "M":
                found[follower] = direction
                follower += 1
    return "".join(found)


def _pairs(text: str, places: Sequence[int], types: str) -> list[tuple[int, int]]:
    """Return the pairs of brackets in a sequence, by their opening (BD16)."""
    pairs: list[tuple[int, int]] = []
    waiting: list[tuple[str, int]] = []
    for index, (place, letter) in enumerate(zip(places, types, strict=True)):
        if letter != "O":
            continue
        character = CANONICAL.get(text[place], text[place])
        closing = _closing(character)
        if closing:
            if len(waiting) == MAX_BRACKETS:
                break
            waiting.append((closing, index))
        elif any(character == one for one, _ in waiting):
            while waiting:
                one, opening = waiting.pop()
                if one == character:
                    pairs.append((opening, index))
                    break
    return sorted(pairs)


@cache
def _closing(character: str) -> str:
    """Return the bracket that closes `character`, empty where it opens nothing."""
    if unicodedata.category(character) != "Ps" or not unicodedata.mirrored(character):
        return ""
    other = UNEVEN_BRACKETS.get(character, chr(ord(character) + 1))
    return other if unicodedata.category(other) == "Pe" else ""
