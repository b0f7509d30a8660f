"""What happens to a document with a flaw: the run stops, or the document is dropped or kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from deepsynth_tui.config.dataset import FlawSettings
from deepsynth_tui.dataset.errors import FlawError
from deepsynth_tui.dataset.reading.compose import (
    EMPTY_QUESTION,
    EMPTY_TARGET,
    EMPTY_TEXT,
    NO_QUESTIONS,
    Skipped,
)
from deepsynth_tui.dataset.reading.sources import NO_VALUE

MAX_NAMED_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class Flaw:
    """The texts about one kind of flaw.

    Args:
        count_text: How much of it there is, with `{}` for the number.
        reason: Why a document was dropped: a key in `report.json`.
        fix: What helps other than another policy.
    """

    count_text: str
    reason: str
    fix: str


FLAWS: Mapping[str, Flaw] = {
    "missing_glyphs": Flaw(
        "{} characters that the font lacks",
        "the font lacks its characters",
        "choose a page.font that has them",
    ),
    "clipped_glyphs": Flaw(
        "{} glyphs cut at the edge of the page",
        "glyphs cut at the edge of the page",
        "make page.margin larger",
    ),
    "split_tokens": Flaw(
        "{} words longer than a line, broken anywhere",
        "words longer than a line",
        "use a wider page or a smaller font",
    ),
    "removed_characters": Flaw(
        "{} control or invalid characters, which are removed",
        "control or broken characters",
        "clean the source",
    ),
    "unreadable_characters": Flaw(
        "{} characters in answers that nobody can read on a page",
        "characters in answers that nobody can read on a page",
        "set normalize to NFC, whitespace, invisible",
    ),
    "duplicates": Flaw(
        "the text and target of an earlier document",
        "came before",
        "clean the source",
    ),
}
"""The flaws in `FlawSettings` that a drawn document can have; an `empty` one is never drawn."""
_EMPTY = Flaw("{}", "", "correct its row")
_EMPTY_REASONS = (EMPTY_TEXT, EMPTY_TARGET, EMPTY_QUESTION, NO_QUESTIONS)


def reason_to_drop(
    source_id: str,
    counts: Mapping[str, int],
    policies: FlawSettings,
    missing: Counter[str],
) -> str | None:
    """Return why a document with these flaws is dropped, or None if it is kept.

    Raises:
        FlawError: the policy for one of its flaws is `stop`.
    """
    names = [name for name in FLAWS if counts.get(name)]
    for name in names:
        if getattr(policies, name) == "stop":
            description = FLAWS[name].count_text.format(counts[name])
            if name == "missing_glyphs":
                description += f": {describe_characters(missing)}"
            raise _not_allowed(source_id, name, description, "drop or keep", FLAWS[name])
    return next((FLAWS[name].reason for name in names if getattr(policies, name) == "drop"), None)


def check_skipped(skipped: Skipped, policies: FlawSettings) -> None:
    """Raise `FlawError` if the document is empty and `flaws.empty` is `stop`."""
    is_empty = skipped.reason in _EMPTY_REASONS or skipped.reason.startswith(NO_VALUE)
    if is_empty and policies.empty == "stop":
        raise _not_allowed(skipped.source_id, "empty", skipped.reason, "drop", _EMPTY)


def describe_characters(missing: Counter[str]) -> str:
    """Return the most common of the `missing` characters with their code points."""
    common = missing.most_common(MAX_NAMED_CHARACTERS)
    names = ", ".join(f"{character} (U+{ord(character[0]):04X})" for character, _ in common)
    return names + (", ..." if len(missing) > len(common) else "")


def _not_allowed(
    source_id: str, name: str, description: str, other_policies: str, flaw: Flaw
) -> FlawError:
    return FlawError(
        f"document {source_id} has {description}; flaws.{name} is stop",
        f"Set flaws.{name} to {other_policies} and continue with --resume: finished shards are "
        f"kept. Or {flaw.fix} and start a new run.",
        f"flaws.{name}",
    )
