"""An estimate in words: one line for a narrow terminal, a column for a wide one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from deepsynth_tui.estimate.closed_form import Estimate, GpuEstimate
from deepsynth_tui.estimate.machine.devices import Probe
from deepsynth_tui.estimate.machine.gpus import GIB, Fit

SIGNS = {Fit.FITS: ("✓", "$text-success"), Fit.TIGHT: ("~", "$text-warning"), Fit.NO: ("✗", "dim")}
SOURCES = {
    "closed_form": "calculated, not measured",
    "simulated": "simulated without memory",
    "measured": "measured on this machine",
}
ITEM_WIDTH = 13
BAR_WIDTH = 14


def gigabytes(count: int) -> str:
    """Return bytes in GB of 2^30, with as many digits as say something."""
    size = count / GIB
    return f"{size:.0f} GB" if size >= 100 else f"{size:.1f} GB" if size >= 0.1 else "< 0.1 GB"


def amount(count: int) -> str:
    """Return a number of parameters in thousands, millions or billions."""
    for unit, name in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return str(count)


def trainable_text(estimate: Estimate) -> str:
    """Return how many parameters are trained, and which share of all that is."""
    share = 100 * estimate.trainable_params / max(estimate.total_params, 1)
    trained, total = amount(estimate.trainable_params), amount(estimate.total_params)
    return f"{trained} of {total} ({share:.3g} %)"


def verdict(estimate: Estimate) -> Content:
    """Return the whole answer on one line."""
    fitting = [row for row in estimate.gpus if row.fit is not Fit.NO]
    smallest = min(fitting, key=lambda row: row.gpu.usable_bytes, default=None)
    if smallest is None:
        word = Content.styled("✗ fits no GPU of the list", "$text-error")
    else:
        sign, style = SIGNS[smallest.fit]
        word = Content.styled(f"{sign} {smallest.fit} {smallest.gpu.name}", style)
    more = f" and {len(fitting) - 1} larger" if len(fitting) > 1 else ""
    return Content.assemble(
        Content.styled(f"{gigabytes(estimate.needed)} ", "bold"),
        ("GPU memory · ", "$muted"),
        word,
        (f"{more} · trains {amount(estimate.trainable_params)}", "$muted"),
    )


def details(estimate: Estimate, probe: Probe | None) -> Content:
    """Return the itemised memory, what is trained, the GPU matrix and the warnings."""
    parts = [
        _headline(estimate),
        *_machine(estimate, probe),
        Content(""),
        *_items(estimate),
        Content(""),
        *_figures(estimate),
    ]
    for warning in estimate.warnings:
        parts += [Content(""), Content.assemble(("! ", "$text-warning"), warning)]
    parts += [Content(""), *_matrix(estimate.gpus), Content("")]
    parts.append(Content.styled(f"Source: {SOURCES[estimate.source]}.", "$muted"))
    return Content("\n").join(parts)


def _headline(estimate: Estimate) -> Content:
    return Content.assemble(
        Content.styled(gigabytes(estimate.needed), "bold $primary"), " of GPU memory at the peak"
    )


def _items(estimate: Estimate) -> list[Content]:
    largest = max(estimate.breakdown.values(), default=0) or 1
    return [
        Content.assemble(
            Content.styled(item.replace("_", " ").ljust(ITEM_WIDTH), "$muted"),
            gigabytes(size).rjust(9),
            "  ",
            Content.styled("━" * max(1, round(BAR_WIDTH * size / largest)), "$primary 70%"),
        )
        for item, size in estimate.breakdown.items()
        if size
    ]


def _figures(estimate: Estimate) -> list[Content]:
    speed = f"{estimate.speed_multiplier:.2g}x full fine-tuning"
    row = f"{estimate.tokens_per_sample} tokens ({estimate.image_tokens} image)"
    lines = [("trained", trainable_text(estimate)), ("longest row", row), ("speed", speed)]
    if estimate.steps is not None:
        lines.append(("steps", str(estimate.steps)))
    return [
        Content.assemble(Content.styled(name.ljust(ITEM_WIDTH), "$muted"), said)
        for name, said in lines
    ]


def _matrix(rows: Sequence[GpuEstimate]) -> list[Content]:
    return [_gpu_line(row) for row in rows]


def _gpu_line(row: GpuEstimate) -> Content:
    sign, style = SIGNS[row.fit]
    word = f"{sign} {row.fit.value}".ljust(8)
    room = f"{gigabytes(abs(row.headroom))} {'free' if row.headroom >= 0 else 'short'}"
    name_style = "dim" if row.fit is Fit.NO else ""
    return Content.assemble(
        (word, style),
        (row.gpu.name.ljust(19), name_style),
        Content.styled(room.rjust(14), "dim" if row.fit is Fit.NO else "$muted"),
    )


def _machine(estimate: Estimate, probe: Probe | None) -> list[Content]:
    if probe is None:
        return []
    if not probe.devices:
        return [Content.styled("No GPU found in this machine.", "$muted")]
    lines = []
    for device in probe.devices:
        enough = device.free >= estimate.needed
        sign, style = SIGNS[Fit.FITS if enough else Fit.NO]
        said = f"{gigabytes(device.free)} free here{'' if enough else ', not enough'}"
        lines.append(Content.assemble((f"{sign} ", style), f"{device.name}: {said}"))
    return lines
