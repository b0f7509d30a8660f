"""Models whose code comes from their repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def code_options(
    auto_class: type[Any],
    model_config: PreTrainedConfig,
    *,
    trust_remote_code: bool,
    revision: str | None,
) -> dict[str, Any]:
    """Return the arguments of `auto_class.from_config` that concern code from a repository.

    Without `code_revision` transformers would run the code of the main branch instead of the
    revision that the user has read. A model without such code does not accept that argument.
    """
    options: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    if trust_remote_code and auto_class.__name__ in getattr(model_config, "auto_map", {}):
        options["code_revision"] = revision
    return options
