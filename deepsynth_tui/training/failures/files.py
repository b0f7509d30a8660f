"""Checkpoints with missing or damaged files."""

from __future__ import annotations

from deepsynth_tui.config.model import DEFAULT_MODEL

NATIVE_DEEPSEEK_OCR = (
    f"Set model.name_or_path to {DEFAULT_MODEL}, the checkpoint that transformers loads without "
    "remote code: the code in the repositories of DeepSeek needs a transformers before 4.48."
)


def explain_loading_error(error: BaseException) -> str | None:
    """Return advice for a model that cannot be loaded."""
    message = str(error)
    if is_old_deepseek_code(message):
        return NATIVE_DEEPSEEK_OCR
    if type(error).__name__ == "SafetensorError":
        return (
            "A weights file is damaged or truncated, usually by an interrupted download. Delete it "
            "(for a Hub model: `hf cache rm` the model) and download it again."
        )
    if isinstance(error, OSError) and "text_encoder.name_or_path" in message:
        return "Give a folder with config.json, weights and tokenizer, or a Hub id that exists."
    if isinstance(error, OSError) and (
        "config.json" in message or "valid model identifier" in message
    ):
        return (
            "Give a folder with config.json, weights and processor files, or a Hub id that "
            "exists, as model.name_or_path."
        )
    if isinstance(error, ValueError) and "trust_remote_code" in message:
        return (
            "Read the repository's code, then set model.trust_remote_code: true with a pinned "
            "model.revision; or use a model that transformers supports without remote code."
        )
    return None


def is_old_deepseek_code(message: str) -> bool:
    """Return whether an error is about the code in the repository of a DeepSeek-OCR."""
    text = message.lower()
    named = "deepseek-ocr" in text or "deepseekocr" in text or "deepseek_vl_v2" in text
    return "LlamaFlashAttention2" in message or (named and "trust_remote_code" in text)
