"""The model that is trained: loading, quantization, LoRA, FSDP, gradient checkpointing."""
