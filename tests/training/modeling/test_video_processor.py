"""What a checkpoint says about videos is in the saved processor, with and without torchvision."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers.models.auto.video_processing_auto import get_video_processor_config

from deepsynth_tui.training.modeling.processor import load_processor
from tests.training import family_models, small_models

VIDEO = {
    "video_processor_type": "Qwen3VLVideoProcessor",
    "fps": 2,
    "size": {"longest_edge": 25165824, "shortest_edge": 4096},
    "temporal_patch_size": 2,
}


def _nested(folder: Path) -> None:
    file = folder / "processor_config.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"video_processor": VIDEO}))


def _own_file(folder: Path) -> None:
    (folder / "video_preprocessor_config.json").write_text(json.dumps(VIDEO, indent=1))


def _image_file_only(folder: Path) -> None:
    """As Qwen2.5-VL was published: one file for images and videos."""
    file = folder / "processor_config.json"
    images = json.loads(file.read_text())["image_processor"]
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    file.unlink()


@pytest.mark.parametrize("write", [_nested, _own_file, _image_file_only])
@pytest.mark.parametrize("make", [small_models.qwen3_vl, family_models.smolvlm])
def test_the_video_part_is_that_of_the_checkpoint(tmp_path: Path, make: Any, write: Any) -> None:
    base, saved, again = (tmp_path / name for name in ("base", "saved", "again"))
    make(base)
    write(base)
    load_processor(str(base), reads_images=True).save_pretrained(saved)
    shutil.copy(base / "config.json", saved)  # as a whole model that is saved has
    load_processor(str(saved), reads_images=True).save_pretrained(again)
    expected = get_video_processor_config(str(base))
    assert expected
    for folder in (saved, again):
        assert get_video_processor_config(str(folder)) == expected
        assert json.loads((folder / "processor_config.json").read_text())["video_processor"]
        file = Path("video_preprocessor_config.json")
        assert (folder / file).exists() == (base / file).exists()
        if (base / file).exists():
            assert (folder / file).read_bytes() == (base / file).read_bytes()
