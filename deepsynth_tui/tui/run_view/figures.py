"""Which figures of a run are shown, in words, the most important first. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deepsynth_tui.runs.estimate_vs_measured import prediction_errors
from deepsynth_tui.runs.state import Memory, RunState, throughput
from deepsynth_tui.tui.run_view.labels import pace, size
from deepsynth_tui.tui.run_view.reader import Snapshot


@dataclass(frozen=True, slots=True)
class Figure:
    """A value under its name. `short` is the name where there is little room."""

    label: str
    value: str
    short: str = ""


def progress_words(snapshot: Snapshot) -> str:
    """How far, how fast, how long still: "42 of 120 steps  35 %  1.9 steps/s  40 s left"."""
    progress = snapshot.state.progress
    if not progress.unit:
        return ""
    if progress.total is None:
        parts = [f"{progress.done:,} {progress.unit}"]
    else:
        parts = [f"{progress.done:,} of {progress.total:,} {progress.unit}"]
        if progress.total:
            parts.append(f"{100 * progress.done // progress.total} %")
    if snapshot.summary.is_live and (speed := throughput(snapshot.state)):
        parts.append(pace(*speed))
    if snapshot.eta:
        parts.append(f"about {snapshot.eta} left")
    return "  ".join(parts)


def figures(snapshot: Snapshot) -> tuple[Figure, ...]:
    """The figures there are so far; a dataset run has others than a training run."""
    training = snapshot.identity.kind == "training"
    found = list(_training(snapshot.state) if training else _dataset(snapshot.state))
    found += _always(snapshot)
    return tuple(found)


def _training(state: RunState) -> Iterator[Figure]:
    first, last = state.first_loss, state.last_loss
    if first is not None and last is not None:
        yield Figure("loss", f"{first:.3f} → {last:.3f}")
    if evaluation := state.series.get("eval_loss"):
        first_eval, last_eval = evaluation[0][1], evaluation[-1][1]
        change = f"{first_eval:.3f} → " if len(evaluation) > 1 else ""
        yield Figure("eval loss", f"{change}{last_eval:.3f}", "eval")
    if exact := state.series.get("eval_exact_match"):
        change = f"{exact[0][1]:.0%} → " if len(exact) > 1 else ""
        yield Figure("exact match", f"{change}{exact[-1][1]:.0%}", "exact")
    if errors_made := state.series.get("eval_cer"):
        yield Figure("character errors", f"{errors_made[-1][1]:.1%}", "cer")
    if overlap := state.series.get("eval_rouge_l"):
        yield Figure("ROUGE-L", f"{overlap[-1][1]:.3f}", "rouge")
    yield from _measured(state)
    if state.learning_rate is not None:
        yield Figure("learning rate", f"{state.learning_rate:.1e}", "lr")
    if state.checkpoints:
        yield Figure("checkpoint", f"step {state.checkpoints[-1].step}", "checkpoint")
    if state.step is not None:
        total = f" of {state.total_steps}" if state.total_steps else ""
        yield Figure("step", f"{state.step}{total}")
    if state.epoch is not None:
        yield Figure("epoch", f"{state.epoch:.2f}")
    if tokens := state.series.get("tokens_per_second"):
        yield Figure("tokens", f"{tokens[-1][1]:,.0f} /s")
    if waited := state.series.get("data_wait"):
        yield Figure("waiting for data", f"{waited[-1][1]:.0%}", "wait")
    if gradient := state.series.get("grad_norm"):
        yield Figure("gradient norm", f"{gradient[-1][1]:.3g}", "grad")


def _measured(state: RunState) -> Iterator[Figure]:
    """What the run takes beside what it was predicted to take; a CPU's memory was not."""
    guess, took, peak = state.predicted, state.measured, state.peak_memory
    if peak.allocated is not None:
        beside = f" (predicted {size(guess.allocated)})" if guess is not None else ""
        yield Figure("memory", f"{size(peak.allocated)}{beside}", "mem")
    elif guess is not None and guess.gpu:
        yield Figure("memory", f"predicted {size(guess.allocated)}", "mem")
    elif memory := _memory(state.memory, peak):
        yield Figure("memory", memory, "mem")
    if took is not None and took.seconds_per_step is not None:
        step = f"{took.seconds_per_step:.3g} s"
        if guess is not None and guess.seconds_per_step is not None:
            step += f" (predicted {guess.seconds_per_step:.3g} s)"
        yield Figure("step time", step)
    wrong = prediction_errors(guess, took)
    named = {"allocated": "memory", "seconds_per_step": "step"}
    if told := [f"{word} {wrong[name]:+.0%}" for name, word in named.items() if name in wrong]:
        yield Figure("prediction", ", ".join(told))
    if peak.device is not None:
        yield Figure("device in all", size(peak.device), "device")


def _dataset(state: RunState) -> Iterator[Figure]:
    for name in ("documents", "pages", "rows", "skipped"):
        if isinstance(value := state.results.get(name), int):
            yield Figure(name, f"{value:,}")
    if memory := _memory(state.memory, state.peak_memory):
        yield Figure("memory", memory, "mem")


def _always(snapshot: Snapshot) -> Iterator[Figure]:
    state = snapshot.state
    if state.warnings:
        yield Figure("warnings", str(sum(warned.count for warned in state.warnings)))
    if state.attempts > 1:
        yield Figure("attempts", str(state.attempts))
    if state.unreadable_lines:
        yield Figure("unreadable events", str(state.unreadable_lines), "unreadable")
    yield Figure("run", snapshot.run.id)


def _memory(now: Memory, peak: Memory) -> str:
    """What the process keeps in main memory."""
    if now.host is None or peak.host is None:
        return ""
    if size(peak.host) == size(now.host):
        return size(now.host)
    return f"{size(now.host)}, peak {size(peak.host)}"
