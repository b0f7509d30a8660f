"""Turn documents into page images and fine-tune vision-language models on them."""

__version__ = "0.1.0"
