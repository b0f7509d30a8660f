"""The line of a completed run: what it made, its size, and whether it was verified. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.tui.run_view.reader import RunSnapshot
from deepsynth_tui.units import format_bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What a run made.

    Attributes:
        what: "adapter", "model" or "dataset".
        path: Its folder.
        facts: Its size, verification or counts.
        python: The Python code that loads it.
    """

    what: str
    path: Path
    facts: tuple[str, ...]
    python: str


def result_of(snapshot: RunSnapshot) -> Result | None:
    """Return what an ended run made; None for a live run, or one that has made nothing."""
    if snapshot.summary.is_live:
        return None
    results, is_done = snapshot.state.results, snapshot.summary.state == "done"
    size = () if snapshot.result_bytes is None else (format_bytes(snapshot.result_bytes),)
    hub = (f"on the Hub: {sanitize(str(results['hub']))}",) if results.get("hub") else ()
    if snapshot.identity.kind == "dataset":
        if "dataset" not in results and not is_done:
            return None
        path = Path(str(results.get("dataset", snapshot.run.dataset)))
        python = f'datasets.load_dataset("{path}")'
        return Result("dataset", path, (*_counts(results), *size, *hub), python)
    if "path" not in results and not is_done:
        return None
    path = Path(str(results.get("path", snapshot.run.adapter)))
    facts = (*size, *_verified(results.get("verification")), *hub)
    if path.name == snapshot.run.adapter.name:
        python = f'peft.PeftModel.from_pretrained(model, "{path}")'
        return Result("adapter", path, facts, python)
    python = f'transformers.AutoModelForImageTextToText.from_pretrained("{path}")'
    return Result("model", path, facts, python)


def _verified(verification: object) -> tuple[str, ...]:
    """Return the result of loading the saved weights again and comparing their answers."""
    if not isinstance(verification, Mapping):
        return ("not verified",)
    if verification.get("reproduces") is False:
        return ("loaded again: other answers than in training",)
    if not verification.get("changes_the_base"):
        return ("loaded again: no effect yet",)
    return ("verified",)


def _counts(results: Mapping[str, object]) -> tuple[str, ...]:
    counts = ((name, results.get(name)) for name in ("documents", "pages", "skipped"))
    return tuple(
        f"{count:,} {'left out' if name == 'skipped' else name}"
        for name, count in counts
        if isinstance(count, int)
    )
