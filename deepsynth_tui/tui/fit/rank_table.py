"""What each rank of the adapters would take, as a table that left and right step through. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from deepsynth_tui.estimate.ranks import RankPreview
from deepsynth_tui.tui.fit.figures import MIB, amount
from deepsynth_tui.units import GIB


def rank_table(ranks: Sequence[RankPreview], r: int, *, fresh: bool) -> list[Content]:
    """Return a header and a line for each rank, `r` marked; figures that are not `fresh` dim."""
    if not ranks:
        return []
    header = Content.styled("  rank    trained     memory    adapter  (computed)", "$muted")
    return [header, *(_line(rank, is_current=rank.r == r, fresh=fresh) for rank in ranks)]


def _line(rank: RankPreview, *, is_current: bool, fresh: bool) -> Content:
    figures = (
        f"{amount(rank.trainable_params).rjust(11)}"
        f"{rank.needed / GIB:8.2f} GB{rank.adapter_bytes / MIB:8.0f} MB"
    )
    style = "bold" if is_current else ""
    return Content.assemble(
        ("▸" if is_current else " ", "bold $text-accent"),
        (str(rank.r).rjust(5), style),
        (figures, style if fresh else "dim"),
    )
