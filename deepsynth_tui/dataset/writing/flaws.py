"""What becomes of a document with a flaw: the job stops, it is left out, or it stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from deepsynth_tui.config.dataset import FlawSettings
from deepsynth_tui.dataset.errors import FlawError
from deepsynth_tui.dataset.reading.compose import EMPTY_TARGET, EMPTY_TEXT, Skipped

NAMED_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class Flaw:
    """`counted` says how much of it there is, with `{}` for the number; `reason` why a document
    was left out; `remedy` what other than another policy would help."""

    counted: str
    reason: str
    remedy: str


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
        "take a wider page or a smaller font",
    ),
    "removed_characters": Flaw(
        "{} control or broken characters taken out",
        "control or broken characters",
        "clean the source",
    ),
    "duplicates": Flaw(
        "text and answer that came before",
        "came before",
        "clean the source",
    ),
}
"""The flaws of `FlawSettings` that a drawn document can have; `empty` keeps it from being drawn."""
_EMPTY = Flaw("{}", "", "correct its row")


def reason_to_drop(
    source_id: str,
    counts: Mapping[str, int],
    policies: FlawSettings,
    missing: Counter[str],
) -> str | None:
    """Return why a document with so many of each flaw is left out, None where it stays.

    Raises `FlawError` for the first flaw that may not be.
    """
    found = [name for name in FLAWS if counts.get(name)]
    for name in found:
        if getattr(policies, name) == "stop":
            figures = FLAWS[name].counted.format(counts[name])
            if name == "missing_glyphs":
                figures += f": {characters(missing)}"
            raise _not_allowed(source_id, name, figures, "drop or keep", FLAWS[name])
    return next((FLAWS[name].reason for name in found if getattr(policies, name) == "drop"), None)


def check_skipped(skipped: Skipped, policies: FlawSettings) -> None:
    """Raise `FlawError` where the document is empty, and none may be."""
    if skipped.reason in (EMPTY_TEXT, EMPTY_TARGET) and policies.empty == "stop":
        raise _not_allowed(skipped.source_id, "empty", skipped.reason, "drop", _EMPTY)


def characters(missing: Counter[str]) -> str:
    """Return the most common of the `missing` characters for a sentence."""
    common = missing.most_common(NAMED_CHARACTERS)
    kinds = ", ".join(f"{character} (U+{ord(character[0]):04X})" for character, _ in common)
    return kinds + (", ..." if len(missing) > len(common) else "")


def _not_allowed(source_id: str, name: str, figures: str, others: str, flaw: Flaw) -> FlawError:
    return FlawError(
        f"document {source_id} has {figures}; flaws.{name} is stop",
        f"Set flaws.{name} to {others} and go on with --resume: what is written stays. "
        f"Or {flaw.remedy} and start anew.",
        f"flaws.{name}",
    )
