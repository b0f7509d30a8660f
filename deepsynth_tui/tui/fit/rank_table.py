"""The table of LoRA ranks: trained parameters, memory and file size of each. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from deepsynth_tui.estimate.ranks import RankPreview
from deepsynth_tui.units import GIB, MIB, format_count


def rank_table(ranks: Sequence[RankPreview], rank: int, *, is_current: bool) -> list[Content]:
    """Return a header and a line for each rank, with `rank` marked.

    The figures are dimmed unless they are those of the current form (`is_current`).
    """
    if not ranks:
        return []
    header = Content.styled("  rank   trained      memory     adapter (computed)", "$muted")
    return [header, *(_line(row, marked=row.r == rank, is_current=is_current) for row in ranks)]


def _line(row: RankPreview, *, marked: bool, is_current: bool) -> Content:
    figures = (
        f"{format_count(row.trainable_params).rjust(10)}"
        f"{row.needed / GIB:8.2f} GiB{row.adapter_bytes / MIB:8.0f} MiB"
    )
    style = "bold" if marked else ""
    return Content.assemble(
        ("▸" if marked else " ", "bold $text-accent"),
        (str(row.r).rjust(5), style),
        (figures, style if is_current else "dim"),
    )
