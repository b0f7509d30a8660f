"""Errors in words: what happened, and what to do next."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from deepsynth_tui.runs.job import Failure

if TYPE_CHECKING:
    from deepsynth_tui.estimate.closed_form import Estimate
    from deepsynth_tui.estimate.remedies import Remedy

SHOWN_ITEMS = 3
SEE_LOG = "The traceback is in console.log."


class TrainingError(Exception):
    """Something about model, dataset or settings that ends the run; `advice` says what to do.

    What a process that loads data raises, torch raises again with the text of the traceback alone,
    which ends with both.
    """

    def __init__(self, message: str, advice: str | None = None) -> None:
        if advice is None:
            message, _, advice = message.rpartition("TrainingError: ")[2].strip().partition("\n")
        super().__init__(message)
        self.advice = advice
        self.add_note(advice)


def explain(error: BaseException) -> Failure:
    """Say what an exception means to the person, from it and from what caused it.

    Libraries wrap the telling error in general ones, so the whole chain is looked at.
    """
    chain = list(_causes(error))
    for known in _KNOWN:
        for cause in chain:
            if (advice := known(cause)) is not None:
                told = _said(error) if cause is error else f"{_said(error)} ({_said(cause)})"
                return Failure(type(cause).__name__, told, advice)
    return Failure(type(error).__name__, _said(error), SEE_LOG)


def out_of_memory(error: BaseException, estimate: Estimate, remedy: Remedy | None) -> Failure:
    """Explain that the GPU's memory ran out by what takes most of it, and say what to change.

    `remedy` is the cheapest change that helps, None where there is none.
    """
    largest = sorted(estimate.breakdown.items(), key=lambda item: -item[1])[:SHOWN_ITEMS]
    takes = ", ".join(f"{name.replace('_', ' ')} {_gb(size)}" for name, size in largest if size)
    advice = f"The run was estimated to need {_gb(estimate.needed)}, most of it {takes}. "
    if remedy is None:
        advice += "No change of settings helps: choose a smaller model or a larger GPU."
    else:
        settings = ", ".join(f"{key}: {json.dumps(to)}" for key, to in remedy.changes.items())
        advice += (
            f"The cheapest change that helps: {remedy.words} ({settings}), which needs "
            f"{_gb(remedy.needed)}."
        )
    return Failure(type(error).__name__, _said(error), advice)


def _gb(size: int) -> str:
    return f"{size / 2**30:.1f} GB"


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _ours(error: BaseException) -> str | None:
    return error.advice if isinstance(error, TrainingError) else None


def _out_of_memory(error: BaseException) -> str | None:
    if type(error).__name__ == "OutOfMemoryError":  # torch's, on any device
        return (
            "Lower training.per_device_train_batch_size (raise gradient_accumulation_steps to "
            "match), turn on training.gradient_checkpointing, lower model.max_pixels, or turn on "
            "quantization. `deepsynth-tui estimate` shows what fits."
        )
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return "The machine ran out of main memory: choose a smaller model, batch or page."
    return None


def _disk(error: BaseException) -> str | None:
    if not isinstance(error, OSError):
        return None
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Free some disk space, lower training.save_total_limit, then --resume the run."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "Choose a folder that you may write to, with output.dir or $DEEPSYNTH_HOME."
    return None


def lost_contact(error: BaseException) -> bool:
    """Whether a process failed only because it no longer reaches another one."""
    return any(_lost_contact(cause) is not None for cause in _causes(error))


def _lost_contact(error: BaseException) -> str | None:
    told = str(error).lower()
    in_library = isinstance(error, RuntimeError) and ("gloo" in told or "nccl" in told)
    if in_library or type(error).__name__ in ("DistNetworkError", "DistStoreError"):
        return (
            "The processes of the run lost each other. console.log shows which one went first; "
            "NCCL_DEBUG=INFO in the environment makes NCCL say more. --resume goes on."
        )
    return None


def _hub(error: BaseException) -> str | None:
    match type(error).__name__:
        case "GatedRepoError":
            return "Accept the model's terms on its Hub page, then log in: `hf auth login`."
        case "RepositoryNotFoundError":
            return "Check the spelling of the id; for a private repository run `hf auth login`."
        case "RevisionNotFoundError":
            return "Set model.revision to a branch, tag or commit that exists."
        case "LocalEntryNotFoundError" | "OfflineModeIsEnabled" | "ConnectError" | "ProxyError":
            return (
                "The Hub cannot be reached and the files are not in its cache. Connect, or give "
                "a checkpoint folder or builtin:tiny-vlm as model.name_or_path."
            )
    if isinstance(error, ConnectionError | TimeoutError):
        return "Check the network connection, then start again: what was downloaded is kept."
    return None


def _checkpoint_folder(error: BaseException) -> str | None:
    told = str(error)
    if isinstance(error, OSError) and "text_encoder.name_or_path" in told:
        return "Give a folder with config.json, weights and tokenizer, or a Hub id that exists."
    if isinstance(error, OSError) and ("config.json" in told or "valid model identifier" in told):
        return (
            "Give a folder with config.json, weights and processor files, or a Hub id that "
            "exists, as model.name_or_path."
        )
    if isinstance(error, ValueError) and "trust_remote_code" in told:
        return (
            "Read the repository's code, then set model.trust_remote_code: true with a pinned "
            "model.revision; or use a model that transformers has itself."
        )
    return None


def _package(error: BaseException) -> str | None:
    if not isinstance(error, ImportError):
        return None
    for package in ("torchvision", "flash_attn", "wandb", "tensorboard", "trackio"):
        if package in str(error):
            return f"Install it where this program is: `pip install {package.replace('_', '-')}`."
    return "Install the package it names where this program is installed."


def _number_format(error: BaseException) -> str | None:
    told = str(error)
    if not isinstance(error, ValueError | RuntimeError):
        return None
    if "bf16" in told:
        return "This device has no bfloat16: set training.bf16: false and training.fp16: true."
    if "fp16" in told or "FP16" in told:
        return "Set training.fp16: false and model.dtype: float32 (or bfloat16)."
    if "attn_implementation" in told or "scaled_dot_product" in told:
        return "Set model.attn_implementation: eager."
    return None


_KNOWN: tuple[Callable[[BaseException], str | None], ...] = (
    _ours,
    _out_of_memory,
    _disk,
    _lost_contact,
    _hub,
    _package,
    _checkpoint_folder,
    _number_format,
)
