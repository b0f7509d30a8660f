"""The rule of the run folder, whatever the kind of run."""

from __future__ import annotations

from deepsynth_tui.config.rules.rule import Rule

OUTPUT_RULES = (
    Rule(
        ("output.dir",),
        lambda c: "://" in (c.output.dir or ""),
        "is a URL: a run needs a folder with locks and atomic renames, which object storage lacks",
        "give a folder, on several machines one that all of them share, and copy the result",
    ),
)
