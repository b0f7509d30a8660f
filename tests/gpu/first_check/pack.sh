#!/usr/bin/env bash
# Takes the packages to a machine with a GPU and PyTorch but without network.
#   here, in the root of the checkout:   tests/gpu/first_check/pack.sh pack [FOLDER]
#   there, with FOLDER beside it:        tests/gpu/first_check/pack.sh check [FOLDER] [GROUP ...]
# FOLDER, by default .first_check, gets the wheels of the versions installed here, without those that
# come with PyTorch images; MORE="pyarrow pandas numpy pillow" adds some. PYTHON_VERSION, PLATFORM
# and CUDA (as in libbitsandbytes_cudaNNN) are those of the other machine.
set -euo pipefail
what=${1:?pack or check}; folder=${2:-.first_check}; shift $(($# < 2 ? $# : 2))
packages="transformers peft accelerate bitsandbytes datasets huggingface-hub tokenizers safetensors
  dill multiprocess xxhash pydantic pydantic-core annotated-types typing-inspection rapidfuzz regex
  uharfbuzz isal num2words platformdirs httpx2 httpcore2 truststore nvidia-ml-py pytest pluggy
  iniconfig ${MORE:-}"

if [ "$what" = pack ]; then
  mkdir -p "$folder/wheels"
  installed=$(python -m pip list --format=freeze)
  wanted=()
  for package in $packages; do
    wanted+=("$(grep -i -m1 "^${package}==" <<< "${installed//_/-}")")
  done
  platforms=(--platform "manylinux2014_${PLATFORM:-x86_64}")
  for glibc in 2_34 2_28 2_27 2_24 2_17; do
    platforms+=(--platform "manylinux_${glibc}_${PLATFORM:-x86_64}")
  done
  python -m pip download -q --no-deps --only-binary=:all: --implementation cp \
    --python-version "${PYTHON_VERSION:-3.12}" "${platforms[@]}" -d "$folder/wheels" "${wanted[@]}"
  # bitsandbytes has a library for each CUDA and ROCm; one of them and the CPU's are enough.
  python - "$folder/wheels" "${CUDA:-130}" <<'PYTHON'
import sys, zipfile
from pathlib import Path

folder, cuda = Path(sys.argv[1]), sys.argv[2]
(wheel,) = folder.glob("bitsandbytes-*.whl")
small = wheel.with_suffix(".small")
with zipfile.ZipFile(wheel) as whole, zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as kept:
    for name in whole.namelist():
        library = Path(name).name
        wanted = (f"libbitsandbytes_cuda{cuda}", "libbitsandbytes_cpu")
        if not library.startswith("libbitsandbytes_") or library.startswith(wanted):
            kept.writestr(whole.getinfo(name), whole.read(name))
small.replace(wheel)
PYTHON
  du -sh "$folder/wheels"
elif [ "$what" = check ]; then
  if compgen -G "$folder/wheels/*.whl" > /dev/null; then
    python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade \
      --target "$folder/site" "$folder"/wheels/*.whl
    export PYTHONPATH="$PWD:$folder/site${PYTHONPATH:+:$PYTHONPATH}"
  fi
  exec python3 -m tests.gpu.first_check --out "${OUT:-$folder/results}" "$@"
else
  echo "pack or check, not $what" >&2
  exit 2
fi
