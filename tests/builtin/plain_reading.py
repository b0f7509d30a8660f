"""A page read with transformers alone, as a person without torchvision would write it.

`AutoProcessor` of this family brings a processor of videos, which needs torchvision; tokenizer and
image processor do without.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer

PLACEHOLDER = "<|image_pad|>"


def read(model: Any, folder: str | Path, page: Path, question: str) -> str:
    """What the model answers to a page; tokenizer and image processor are those in `folder`."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    images: Any = AutoImageProcessor.from_pretrained(folder)
    seen = images([Image.open(page)], return_tensors="pt")
    count = int(seen["image_grid_thw"].prod()) // images.merge_size**2
    asked = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}]
    prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    inputs = tokenizer(prompt.replace(PLACEHOLDER, PLACEHOLDER * count), return_tensors="pt")
    ids = inputs["input_ids"]
    kinds = (ids == tokenizer.convert_tokens_to_ids(PLACEHOLDER)).int()
    said = model.generate(
        **inputs, **seen, mm_token_type_ids=kinds, max_new_tokens=160, do_sample=False
    )
    return tokenizer.decode(said[0, ids.shape[1] :], skip_special_tokens=True)
