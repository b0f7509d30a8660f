"""Errors of dataset generation that a user can act on; see `UserError`."""

from __future__ import annotations

from deepsynth_tui.errors import UserError


class DatasetError(UserError):
    """Base class of the errors in this package."""


class SourceError(DatasetError):
    """The source cannot be read."""


class UnreadableDocument(DatasetError):
    """A single document cannot be read; the others of its source can.

    Args:
        reason: One of few, by which a report groups documents.
        advice: What to do next.
        detail: Where and what.
    """

    def __init__(self, reason: str, advice: str = "", detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason, advice, "source.path")
        self.args = (reason, advice, detail)
        self.reason = reason
        self.detail = detail


class ColumnError(DatasetError):
    """A column is missing or does not hold text."""


class FontError(DatasetError):
    """A font cannot be found or loaded."""


class PageError(DatasetError):
    """The page settings leave no room for text."""


class DocumentTooLong(DatasetError):
    """A document does not fit on one page, and `on_overflow` is `error`."""


class FlawError(DatasetError):
    """A document has a flaw whose `flaws` setting is `stop`."""


class CharactersLost(DatasetError):
    """The pages of a document do not show all of its text: a bug in drawing."""


class NoDocuments(DatasetError):
    """The source is empty, or none of its documents could be used."""


class OutputError(DatasetError):
    """The output folder holds something else."""


class SettingsChanged(DatasetError):
    """The partial dataset was generated with different settings."""


class SourceChanged(DatasetError):
    """The source no longer holds the documents that the partial dataset was generated from."""


class ShardLost(DatasetError):
    """The worker that wrote a shard was killed repeatedly."""


class EngineError(DatasetError):
    """The engine is not installed, cannot be reached, or does not see the output folder."""


class NotEnoughSpace(DatasetError):
    """The disk has too little free space."""


class UploadError(DatasetError):
    """The complete dataset could not be uploaded."""
