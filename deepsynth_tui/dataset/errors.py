"""What can go wrong between a pile of documents and a dataset.

Every error says what happened and to which input (`message`), what to do next (`advice`) and,
where a setting is to blame, its dotted key, so that a form can show the message beside the field.
"""

from __future__ import annotations

from deepsynth_tui.errors import UserError


class DatasetError(UserError):
    """The base error of this package."""


class SourceError(DatasetError):
    """The documents cannot be read."""


class UnreadableDocument(DatasetError):
    """A single document cannot be read; the others of its source can."""


class ColumnError(DatasetError):
    """A column does not exist, or does not hold text."""


class FontError(DatasetError):
    """The font cannot be found or used."""


class PageError(DatasetError):
    """The page settings leave no room for text."""


class DocumentTooLong(DatasetError):
    """A document needs more than one page, and `on_overflow` is `error`."""


class FlawError(DatasetError):
    """A document has a flaw that `flaws` does not allow."""


class CharactersLost(DatasetError):
    """The pages of a document do not hold all of its text: never allowed."""


class NoDocuments(DatasetError):
    """Nothing was left to write."""


class OutputError(DatasetError):
    """The place for the dataset cannot be used."""


class SettingsChanged(DatasetError):
    """What an earlier attempt left was made with other settings."""


class SourceChanged(DatasetError):
    """The documents are not those that an earlier attempt wrote."""


class ShardLost(DatasetError):
    """The processes that made a shard were killed, again and again."""


class EngineError(DatasetError):
    """The engine that is to draw the pages is not there, or cannot reach the folder."""


class NotEnoughSpace(DatasetError):
    """The disk would fill up before the end."""


class UploadError(DatasetError):
    """The finished dataset could not be uploaded."""
