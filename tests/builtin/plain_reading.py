"""Read a page with transformers alone, without torchvision.

For this model family `AutoProcessor` loads a video processor, which needs torchvision; tokenizer
and image processor do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer

PLACEHOLDER = "<|image_pad|>"


def read(model: Any, folder: str | Path, page: Path, question: str) -> str:
    """Return the answer of `model`; tokenizer and image processor are those in `folder`."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    image_processor: Any = AutoImageProcessor.from_pretrained(folder)
    image_inputs = image_processor([Image.open(page)], return_tensors="pt")
    count = int(image_inputs["image_grid_thw"].prod()) // image_processor.merge_size**2
    content = [{"type": "image"}, {"type": "text", "text": question}]
    messages = [{"role": "user", "content": content}]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    inputs = tokenizer(prompt.replace(PLACEHOLDER, PLACEHOLDER * count), return_tensors="pt")
    ids = inputs["input_ids"]
    token_types = (ids == tokenizer.convert_tokens_to_ids(PLACEHOLDER)).int()
    output = model.generate(
        **inputs, **image_inputs, mm_token_type_ids=token_types, max_new_tokens=160, do_sample=False
    )
    return tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)
