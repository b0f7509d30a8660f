"""One base model in memory, with several adapters that are switched on one at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from peft import PeftConfig, PeftModel, get_peft_model
from peft.helpers import rescale_adapter_scale

from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.adapters.settings import answer_config, base_config
from deepsynth_tui.errors import UserError
from deepsynth_tui.training.data.collator import Collator
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.modeling.processor import load_preprocessor_offline_first
from deepsynth_tui.training.text_encoder import checkpoint
from deepsynth_tui.training.text_encoder.load import load_text_encoder
from deepsynth_tui.training.text_encoder.soft_tokens import text_encoder_attached

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig


class LoadedAdapters:
    """Adapters of one base model, loaded once. `group_adapters` says which go together."""

    def __init__(self, adapters: Sequence[Adapter]) -> None:
        """Load the base and its adapters.

        Raises:
            UserError: an adapter does not fit the base model.
            OSError: the base model is missing.
        """
        self.adapters = list(adapters)
        self.config = answer_config(self.adapters[0])
        self.base = load_model_and_processor(base_config(self.config)).model
        self.peft_model: PeftModel | None = None

    @contextlib.contextmanager
    def base_only(self) -> Iterator[PreTrainedModel | PeftModel]:
        """Yield the model with every adapter switched off, as PEFT does it.

        Before any adapter is loaded it is the base itself, which matters for those that change its
        weights.
        """
        if self.peft_model is None:
            yield self.base
            return
        with self.peft_model.disable_adapter():
            yield self.peft_model

    @contextlib.contextmanager
    def switched_on(self, adapter: Adapter, *, strength: float = 1.0) -> Iterator[PeftModel]:
        """Yield the model with one adapter on, and its text encoder attached.

        `strength` multiplies the scale of its LoRA layers. At 0 a DoRA would keep its magnitudes:
        `base_only` is what switches an adapter off.

        Raises:
            UserError: it does not fit the base model.
        """
        model = self._load(adapter)
        model.set_adapter(self._name(adapter))
        model.eval()
        config = answer_config(adapter)
        encoder_commit = (adapter.lineage.get("text_encoder") or {}).get("commit")
        encoder = load_text_encoder(self.base, config, commit=encoder_commit)
        if encoder is not None:
            checkpoint.restore(encoder, adapter.folder)
        with text_encoder_attached(model, encoder), _rescaled(model, strength):
            yield model

    def load_all(self) -> list[str]:
        """Load every adapter and return their names in the model. Raises as `switched_on`."""
        for adapter in self.adapters:
            self._load(adapter)
        return [self._name(adapter) for adapter in self.adapters]

    def _name(self, adapter: Adapter) -> str:
        return f"adapter{self.adapters.index(adapter)}"

    def _load(self, adapter: Adapter) -> PeftModel:
        name = self._name(adapter)
        folder = str(adapter.folder)
        try:
            if self.peft_model is None:
                peft_config = PeftConfig.from_pretrained(folder)
                peft_config.inference_mode = True
                # PEFT's type covers LoraModel without a task, too.
                model = get_peft_model(self.base, peft_config, adapter_name=name)
                assert isinstance(model, PeftModel)
                self.peft_model = model
            elif name in self.peft_model.peft_config:
                return self.peft_model
            result = self.peft_model.load_adapter(folder, name)
        except (RuntimeError, ValueError) as error:
            raise _does_not_fit(adapter, str(error)) from error
        own = [key for key in self.peft_model.state_dict() if f".{name}" in key]
        missing = sorted(set(own).intersection(result.missing_keys))
        unexpected = sorted(result.unexpected_keys)
        for names, problem in (
            (unexpected, "of its tensors have no place in the base model"),
            (missing, "tensors that its configuration asks for are not in it"),
        ):
            if names:
                raise _does_not_fit(adapter, f"{len(names)} {problem}, such as {names[0]}")
        return self.peft_model


def _rescaled(model: PeftModel, strength: float) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if strength == 1 else rescale_adapter_scale(model, strength)


def _does_not_fit(adapter: Adapter, reason: str) -> UserError:
    revision = f" at {adapter.base_commit}" if adapter.base_commit else ""
    return UserError(
        f"{adapter.name} does not fit {adapter.base}{revision}: {reason}",
        "The base model is of another shape or revision than the one it was trained on: use the "
        "files that it was trained on",
    )


def group_adapters(adapters: Sequence[Adapter]) -> list[list[Adapter]]:
    """Return the adapters that one loaded base serves together, in the order given.

    The base, its commit, dtype and quantization are the same, and no adapter changes base weights
    that PEFT could not switch back: such a one is alone.
    """
    groups: dict[str, list[Adapter]] = {}
    for number, adapter in enumerate(adapters):
        config = answer_config(adapter)
        key = [
            config.model.model_dump_json(),
            config.quantization.model_dump_json(),
            # PEFT: adapters of parameters must target the same ones.
            str(sorted(adapter.peft.get("target_parameters") or ())),
            # Trained modules are not quantized with the rest.
            str(config.quantization.enabled and sorted(config.lora.modules_to_save)),
            str(number) if adapter.changes_base_weights else "",
        ]
        groups.setdefault("\n".join(key), []).append(adapter)
    return list(groups.values())


def collator_of(config: TrainingConfig) -> Collator:
    """Return the collator that makes the prompts of a configuration.

    Raises:
        TrainingError, OSError: tokenizer or processor cannot be loaded.
    """
    return Collator(load_preprocessor_offline_first(config), config)
