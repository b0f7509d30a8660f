"""What a run costs on several nodes, as text; and bandwidths from text."""

from __future__ import annotations

from collections.abc import Iterator

from deepsynth_tui.errors import UserError
from deepsynth_tui.estimate.scaling import LINKS, NodesEstimate, Scaling
from deepsynth_tui.units import format_bytes, format_dollars, format_seconds


def parse_nodes(text: str) -> list[int]:
    """Return the numbers in `1,2,4`. Raises UserError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UserError(f"{text!r} is no list of numbers of nodes", "Write it as 1,2,4,8")
    return [int(part) for part in parts]


def parse_bandwidth(text: str) -> float:
    """Return the bytes per second of a link by name, or of a number of GB/s. Raises UserError."""
    if text.lower() in LINKS:
        return LINKS[text.lower()]
    try:
        bandwidth = float(text) * 1e9
    except ValueError:
        bandwidth = 0.0
    if not 0 < bandwidth < 1e15:
        names = ", ".join(LINKS)
        raise UserError(f"{text!r} is no bandwidth", f"Give GB/s in one direction, or {names}")
    return bandwidth


def scaling_lines(scaling: Scaling) -> Iterator[str]:
    """Yield a table with a line for each number of nodes, and what follows from it."""
    yield f"on nodes with {scaling.gpu.name}, {scaling.rows_per_step} rows per step on all of them"
    yield (
        f"  {'nodes':>5}{'GPUs':>6}{'accum.':>8}{'memory':>11}{'all-reduce':>12}{'all-gather':>12}"
        f"{'computing':>11}{'network':>12}  {'step':<20}{'run':>9}{'cost':>10}"
    )
    for row in scaling.estimates:
        yield f"  {_line(row)}"
    for nodes, why in scaling.impossible.items():
        yield f"  {nodes:>5}  {why}"
    if scaling.largest_helpful is not None:
        yield f"  {_helpful(scaling.largest_helpful, scaling.estimates[-1].nodes)}"
    yield (
        "  Memory and bytes are per GPU. Bandwidths are nominal and without latency: the network "
        "takes at least as long. A step is between complete and no overlap of the two; run and "
        "cost are without overlap."
    )


def _helpful(helpful: int, last: int) -> str:
    if helpful < last:
        return f"More nodes than {helpful} are not faster."
    return "Each of these numbers of nodes is faster than the one before."


def _line(row: NodesEstimate) -> str:
    low, high = (format_seconds(seconds) for seconds in row.seconds)
    step = low if low == high else f"{low} to {high}"
    run = "-" if row.hours is None else format_seconds(row.hours * 3600)
    cost = "-" if row.cost is None else format_dollars(row.cost)
    return (
        f"{row.nodes:>5}{row.gpus:>6}{row.gradient_accumulation_steps:>8}"
        f"{format_bytes(row.needed):>11}{format_bytes(row.all_reduce):>12}"
        f"{format_bytes(row.all_gather):>12}{format_seconds(row.compute_seconds):>11}"
        f"{format_seconds(row.communication_seconds):>12}  {step:<20}{run:>9}{cost:>10}"
        f"{'' if row.fits else '  does not fit'}"
    )
