"""`PageFeatureCache`: the features of pages, each computed once and kept on disk.

The collator reads them in place of pixels, in any process; the process with the model encodes the
pages that have none yet. Training, evaluation and generation then pass them to the model::

    cache = PageFeatureCache.open(base, model, config)
    collator.features = cache
    inputs = collator.model_inputs(collator.encode(chats), device)
    loss = model(**inputs).loss
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepsynth_tui.conversations.errors import errors_of_row
from deepsynth_tui.training.data.pages import load_page
from deepsynth_tui.training.features.batch import (
    PAGES,
    PageBatch,
    UnencodedPage,
    encoder_outputs,
)
from deepsynth_tui.training.features.entry import DamagedEntry
from deepsynth_tui.training.features.keys import model_key, page_key
from deepsynth_tui.training.features.processor import (
    process_page,
    process_texts,
    without_pixels,
)
from deepsynth_tui.training.features.store import FeatureStore, features_dir
from deepsynth_tui.training.features.tower import (
    ENCODER_OUTPUTS,
    FeaturesUnsupported,
    VisionTower,
)

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.conversations.conversation import StoredImage
    from deepsynth_tui.training.data.chat_template import RenderedChat
    from deepsynth_tui.training.features.entry import PageFeatures
    from deepsynth_tui.training.modeling.load import LoadedModel


class PageFeatureCache:
    """The features of pages for one model, by the hash of a page.

    Attributes:
        store: The entries on disk.
        encoded: How many pages this process has encoded.
        damaged: How many of them had an entry that could not be read.
    """

    def __init__(
        self,
        store: FeatureStore,
        processor: Any,
        config: TrainingConfig,
        tower: VisionTower,
    ) -> None:
        """Create a cache. `config` has the pixel limits that the processor does not apply."""
        self.store = store
        self.encoded = 0
        self.damaged = 0
        self._processor = processor
        self._config = config
        self._tower: VisionTower | None = tower
        self._released = contextlib.ExitStack()
        self._encoder_arguments = tower.encoder_arguments
        self._kept_arguments = tower.kept_arguments

    @classmethod
    def open(
        cls,
        base: LoadedModel,
        model: PeftModel | PreTrainedModel,
        config: TrainingConfig,
        *,
        folder: Path | None = None,
    ) -> PageFeatureCache:
        """Return the cache of a model, by default among those of this machine.

        Vision tower and projector must be frozen: `model.requires_grad_(False)` for a model that is
        only evaluated.

        Raises:
            FeaturesUnsupported: the tower is trained or random, or the model takes pixels only.
        """
        tower = VisionTower(model)
        if problem := tower.problem():
            raise FeaturesUnsupported(problem, "Turn training.cache_features off.")
        if not hasattr(base.processor, "_process_images"):
            raise FeaturesUnsupported(
                f"{type(base.processor).__name__} cannot expand a prompt without pixels",
                "Turn training.cache_features off.",
            )
        store = FeatureStore((folder or features_dir()) / model_key(base, config))
        limited = base.pixel_limits.before_processor(config)
        return cls(store, base.processor, limited, tower)

    def close(self) -> None:
        """Bring the tower back and give up the folder of the features."""
        self._released.close()
        self.store.close()

    def __getstate__(self) -> dict[str, Any]:
        # A DataLoader worker has no model.
        return {**vars(self), "_tower": None, "_released": contextlib.ExitStack()}

    def load(self, stored: StoredImage) -> PageFeatures | UnencodedPage:
        """Return the features of a page or, if it has none yet, what is needed to encode it.

        Raises:
            ImageError: the page cannot be read.
        """
        key = page_key(stored)
        try:
            features = self.store.read(key)
        except DamagedEntry:
            return replace(self.unencoded(stored, key), was_damaged=True)
        return features or self.unencoded(stored, key)

    def unencoded(self, stored: StoredImage, key: str) -> UnencodedPage:
        """Return a page as the processor prepares it. Raises as `load`."""
        processed = process_page(self._processor, load_page(stored, self._config.model))
        if processed is None:
            raise FeaturesUnsupported(
                f"{type(self._processor).__name__} cannot expand a prompt without pixels",
                "Turn training.cache_features off.",
            )
        inputs, text = processed
        encoder_inputs = {n: v for n, v in inputs.items() if n in self._encoder_arguments}
        return UnencodedPage(key, encoder_inputs, without_pixels(inputs), text)

    def process(
        self, texts: list[str], chats: Sequence[RenderedChat], **options: Any
    ) -> dict[str, Any]:
        """Return what the processor returns for texts and their pages, with a `PageBatch`.

        Raises:
            RowError: a page cannot be read.
        """
        rows = []
        for chat in chats:
            with errors_of_row(chat.row_id):
                rows.append([self.load(stored) for stored in chat.example.images])
        pages = [page for row in rows for page in row]
        dropped = pages[0].inputs.keys() - self._kept_arguments
        processed = process_texts(self._processor, texts, rows, **options)
        inputs = {name: value for name, value in processed.items() if name not in dropped}
        return {**inputs, PAGES: PageBatch(pages)}

    def model_inputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return inputs for the model: features in place of the `PageBatch`, if there is one.

        Pages without features are encoded and stored.
        """
        batch = inputs.get(PAGES)
        if not isinstance(batch, PageBatch):
            return dict(inputs)
        device = inputs["input_ids"].device
        pages = [
            self.encode(page) if isinstance(page, UnencodedPage) else page for page in batch.pages
        ]
        outputs = encoder_outputs(PageBatch(pages).to(device).features())
        others = {name: value for name, value in inputs.items() if name != PAGES}
        return {**others, ENCODER_OUTPUTS: outputs}

    def encode(self, page: UnencodedPage) -> PageFeatures:
        """Compute the features of a page and store them, unless the disk is full."""
        assert self._tower is not None
        features = self._tower.encode(page, self._config)
        self.encoded += 1
        self.damaged += page.was_damaged
        if not self.store.is_full:
            self.store.write(page.key, features)
        return features

    def release_tower(self) -> int:
        """Move the weights of the tower to main memory until `close`; return their bytes.

        Not without a GPU, nor if there are pages that have to be encoded each time.
        """
        tower = self._tower
        if tower is None or self.store.is_full or tower.device.type == "cpu":
            return 0
        self._released.enter_context(tower.released())
        return tower.releasable_bytes()
