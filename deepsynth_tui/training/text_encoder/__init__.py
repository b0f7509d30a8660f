"""A second model that encodes the instruction into soft tokens for the decoder.

`instruction_tokenizer` tokenizes an instruction for the encoder, `placeholders` reserves positions
for its soft tokens in the decoder's sequence, `module` projects encoder states to soft tokens
(`pooling` chooses the states), and `soft_tokens` puts them into the decoder's embeddings.

A folder of trained weights has a folder `text_encoder` beside the adapter or the model. It holds
the projection, and where they were trained the encoder's adapter as PEFT writes it or the whole
encoder as a checkpoint. A frozen encoder is only named in `deepsynth.json`. The adapter is nested
deeper than transformers searches a model folder for adapters.
"""

from __future__ import annotations

ENCODER_FOLDER = "text_encoder"
PROJECTION_FILE = "projection.safetensors"
ADAPTER_FOLDER, MODEL_FOLDER = "adapter", "model"
