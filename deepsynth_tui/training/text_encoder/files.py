"""What a folder of trained weights holds of the encoder, beside the adapter or the model.

The projection always; adapters as PEFT writes them, or the whole encoder as a checkpoint of its
own, where those were trained. A frozen encoder is named in `deepsynth.json`. Adapters lie a folder
deeper than transformers looks for several of one model.
"""

from __future__ import annotations

FOLDER = "text_encoder"
PROJECTION = "projection.safetensors"
ADAPTER, MODEL = "adapter", "model"
