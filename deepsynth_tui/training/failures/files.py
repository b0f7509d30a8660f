"""Checkpoint folders that lack something, and files that are damaged."""

from __future__ import annotations


def advice(error: BaseException) -> str | None:
    """What to do about a model that does not load."""
    told = str(error)
    if type(error).__name__ == "SafetensorError":
        return (
            "A weights file is damaged or cut short, most often by a download that was broken off. "
            "Delete it (of a Hub model: `hf cache rm` the model) and get it again."
        )
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
