"""The figures shown of a run, most important first, as text. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deepsynth_tui.runs.estimate_vs_measured import prediction_errors
from deepsynth_tui.runs.state import Memory, RunState
from deepsynth_tui.tui.run_view.reader import RunSnapshot
from deepsynth_tui.units import format_bytes


@dataclass(frozen=True, slots=True)
class Figure:
    """A label and its value. `short` is the label where space is tight."""

    label: str
    value: str
    short: str = ""


def figures(snapshot: RunSnapshot) -> tuple[Figure, ...]:
    """Return the figures known so far of a training run."""
    return (*_training(snapshot.state), *_common(snapshot))


def _training(state: RunState) -> Iterator[Figure]:
    first, last = state.first_loss, state.last_loss
    if first is not None and last is not None:
        yield Figure("loss", f"{first:.3f} → {last:.3f}")
    if eval_loss := state.series.get("eval_loss"):
        first_eval = f"{eval_loss[0][1]:.3f} → " if len(eval_loss) > 1 else ""
        yield Figure("eval loss", f"{first_eval}{eval_loss[-1][1]:.3f}", "eval")
    if exact_match := state.series.get("eval_exact_match"):
        first_exact = f"{exact_match[0][1]:.0%} → " if len(exact_match) > 1 else ""
        yield Figure("exact match", f"{first_exact}{exact_match[-1][1]:.0%}", "exact")
    if cer := state.series.get("eval_cer"):
        yield Figure("CER", f"{cer[-1][1]:.1%}")
    if rouge_l := state.series.get("eval_rouge_l"):
        yield Figure("ROUGE-L", f"{rouge_l[-1][1]:.3f}")
    yield from _memory_and_step_time(state)
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
    if data_wait := state.series.get("data_wait"):
        yield Figure("data wait", f"{data_wait[-1][1]:.0%}")
    if grad_norm := state.series.get("grad_norm"):
        yield Figure("gradient norm", f"{grad_norm[-1][1]:.3g}", "grad norm")


def _memory_and_step_time(state: RunState) -> Iterator[Figure]:
    """Yield measured beside estimated figures. There is no estimate of a CPU's memory."""
    estimate, measured, peak = state.predicted, state.measured, state.peak_memory
    if peak.allocated is not None:
        beside = f" (est. {format_bytes(estimate.allocated)})" if estimate is not None else ""
        yield Figure("memory", f"{format_bytes(peak.allocated)}{beside}", "mem")
    elif estimate is not None and estimate.gpu:
        yield Figure("memory", f"estimated {format_bytes(estimate.allocated)}", "mem")
    elif memory := _host_memory(state.memory, peak):
        yield Figure("memory", memory, "mem")
    if measured is not None and measured.seconds_per_step is not None:
        step = f"{measured.seconds_per_step:.3g} s"
        if estimate is not None and estimate.seconds_per_step is not None:
            step += f" (est. {estimate.seconds_per_step:.3g} s)"
        yield Figure("step time", step)
    error = prediction_errors(estimate, measured)
    labels = {"allocated": "memory", "seconds_per_step": "step"}
    if parts := [f"{label} {error[name]:+.0%}" for name, label in labels.items() if name in error]:
        yield Figure("est. error", ", ".join(parts))
    if peak.device is not None:
        yield Figure("GPU in total", format_bytes(peak.device), "GPU")


def _common(snapshot: RunSnapshot) -> Iterator[Figure]:
    state = snapshot.state
    if state.warnings:
        yield Figure("warnings", str(sum(warning.count for warning in state.warnings)))
    if state.attempts > 1:
        yield Figure("attempts", str(state.attempts))
    if state.unreadable_lines:
        yield Figure("unreadable events", str(state.unreadable_lines), "unreadable")
    yield Figure("run", snapshot.run.id)


def _host_memory(now: Memory, peak: Memory) -> str:
    """Return main memory of the process, with its peak if that differs; empty if unknown."""
    if now.host is None or peak.host is None:
        return ""
    current, highest = format_bytes(now.host), format_bytes(peak.host)
    return current if current == highest else f"{current}, peak {highest}"
