"""Stands in for llama.cpp's convert_hf_to_gguf.py: same options, files that only begin as GGUF.

A file `fails` beside it names the part that fails.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main() -> int:
    """Write the file, or fail."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--outfile", type=Path)
    parser.add_argument("--outtype")
    parser.add_argument("--mmproj", action="store_true")
    options = parser.parse_args()
    part = "mmproj" if options.mmproj else "model"
    fails = Path(__file__).with_name("fails")
    if fails.is_file() and fails.read_text() == part:
        sys.stderr.write("INFO:loading\nModel Tiny is not supported\n")
        return 1
    if not list(options.model.glob("*.safetensors")):
        return 2
    # As llama.cpp does since 2025: the name of the second file gets a prefix.
    name = f"mmproj-{options.outfile.name}" if options.mmproj else options.outfile.name
    options.outfile.with_name(name).write_bytes(b"GGUF" + part.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
