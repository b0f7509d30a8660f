"""The loss of an optimizer step is that of a hand-written loop over its learned tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    TrainerCallback,
)

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.training import token_loss
from deepsynth_tui.training.arguments import training_arguments
from deepsynth_tui.training.data.collator import IGNORE_INDEX, ROW_IDS, Collator
from deepsynth_tui.training.data.dataset import load_split
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.load import LoadedModel, load_model_and_processor
from deepsynth_tui.training.padding_free.check import prepare_padding_free
from deepsynth_tui.training.ranks.rank_group import RankGroup
from deepsynth_tui.training.trainer import DocumentTrainer
from tests.training import family_models, small_models
from tests.training.conftest import configuration
from tests.training.small_datasets import row, write


def builtin_reader(_: Path) -> str:
    return "builtin:tiny-vlm"


FAMILIES = (
    small_models.vision_model,
    small_models.qwen3_vl,
    small_models.document_model,
    small_models.language_model,
    builtin_reader,
    family_models.gemma3,
    family_models.qwen2_5_vl,
    family_models.smolvlm,
    family_models.qwen3,
)
TARGETS = ("a", "a somewhat longer answer", "an answer of another length", "red " * 12)
Gradients = dict[str, torch.Tensor]


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_loss, "LOSS_CHUNK", 5)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers of very different lengths, where a mean of means is far from the mean."""
    rows = [row(number) | {"target": target} for number, target in enumerate(TARGETS)]
    return write(tmp_path_factory.mktemp("dataset"), rows)


class GradientRecorder(TrainerCallback):
    """Copies the gradients of the first optimizer step."""

    def __init__(self) -> None:
        self.gradients: Gradients = {}

    def on_pre_optimizer_step(self, *_: Any, model: Any, **__: Any) -> None:
        self.gradients = self.gradients or gradients_of(model)


def gradients_of(model: torch.nn.Module) -> Gradients:
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def family_configuration(
    values: dict[str, Any], folder: Path | str, **changes: Any
) -> TrainingConfig:
    return configuration(
        values,
        **{
            "model__name_or_path": str(folder),
            "lora__lora_dropout": 0.0,
            "data__max_length": 512,
            "training__max_steps": 1,
            "training__max_grad_norm": 0.0,
            **changes,
        },
    )


def adapted(config: TrainingConfig) -> tuple[LoadedModel, Any]:
    """Load the model, with adapters whose gradients are not zero."""
    base = load_model_and_processor(config)
    torch.manual_seed(0)
    model = lora.add_adapters(base.model, config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return base, model


def make_trainer(base: LoadedModel, model: Any, config: TrainingConfig, folder: Path) -> Any:
    rows = load_split(config, images=base.reads_images).train
    arguments = training_arguments(config, checkpoints=folder, evaluates=False)
    collator = Collator(base, config)
    if config.training.padding_free:
        lengths = [len(collator([example])["input_ids"][0]) for example in rows]
        prepare_padding_free(model, collator, rows, lengths, config)
    return DocumentTrainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        eval_dataset=rows,
        data_collator=collator,
        processor=base.processor,
        ranks=RankGroup(),
        padding_free=config.training.padding_free,
    )


def trained_step(config: TrainingConfig, folder: Path) -> tuple[float, Gradients]:
    """Return the logged loss and the gradients of a step of the trainer.

    Asserts that no module returns keys and values for generation.
    """
    base, model = adapted(config)
    caches: list[str] = []

    def note_cache(module: torch.nn.Module, _: Any, output: Any) -> None:
        if getattr(output, "past_key_values", None) is not None:
            caches.append(type(module).__name__)

    for module in model.modules():
        module.register_forward_hook(note_cache)
    trainer = make_trainer(base, model, config, folder)
    recorder = GradientRecorder()
    trainer.add_callback(recorder)
    trainer.train()
    assert not caches
    loss = next(entry["loss"] for entry in trainer.state.log_history if "loss" in entry)
    return loss, recorder.gradients


def single_rows(base: LoadedModel, config: TrainingConfig) -> Iterator[dict[str, Any]]:
    rows = load_split(config, images=base.reads_images).train
    collator = Collator(base, config)
    for position in range(len(rows)):
        batch = collator([rows[position]])
        batch.pop(ROW_IDS)
        yield batch


def token_losses(model: Any, batch: dict[str, Any]) -> torch.Tensor:
    """Return the loss of each learned token of a row, from the logits of all its tokens."""
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    logits, targets = model(**inputs).logits[0, :-1].float(), batch["labels"][0, 1:]
    learned = targets != IGNORE_INDEX
    return F.cross_entropy(logits[learned], targets[learned], reduction="none")


def written_out(config: TrainingConfig) -> tuple[float, Gradients]:
    """Return loss and gradients of all rows: the sum over learned tokens over their number."""
    base, model = adapted(config)
    model.train()
    losses = torch.cat([token_losses(model, batch) for batch in single_rows(base, config)])
    losses.mean().backward()
    return losses.mean().item(), gradients_of(model)


def assert_step_is(
    expected: float, gradients: Gradients, config: TrainingConfig, folder: Path
) -> None:
    """Assert loss and gradients of a step of two micro-batches of two rows."""
    training = config.training.model_copy(
        update={"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    )
    loss, trained = trained_step(config.model_copy(update={"training": training}), folder)
    assert loss == pytest.approx(expected, rel=2e-6)
    assert trained.keys() == gradients.keys() != set()
    for name, gradient in gradients.items():
        torch.testing.assert_close(trained[name], gradient, rtol=1e-4, atol=2e-6, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("make", FAMILIES)
def test_a_step_is_the_mean_over_learned_tokens(
    values: dict[str, Any], tmp_path: Path, make: Callable[[Path], Path | str]
) -> None:
    folder = make(tmp_path / "model")
    expected = written_out(family_configuration(values, folder))
    for padding_free in (False, make is not family_models.gemma3):
        config = family_configuration(values, folder, training__padding_free=padding_free)
        assert_step_is(*expected, config, tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"lora__modules_to_save": ["lm_head"]},
        {"lora__target_modules": ["lm_head", "q_proj"]},
        {"lora__enabled": False},
        {"training__gradient_checkpointing": True},
        {"training__padding_free": True},
        {"training__padding_free": True, "training__gradient_checkpointing": True},
        {"training__padding_free": True, "lora__enabled": False},
    ],
    ids=str,
)
def test_a_trained_head_learns_the_same(
    values: dict[str, Any], tmp_path: Path, language_model: Path, changes: dict[str, Any]
) -> None:
    config = family_configuration(values, language_model, **changes)
    assert_step_is(*written_out(config), config, tmp_path)


@pytest.mark.parametrize("padding_free", [False, True])
def test_the_evaluation_loss_is_the_mean_over_all_learned_tokens(
    values: dict[str, Any], tmp_path: Path, language_model: Path, padding_free: bool
) -> None:
    config = family_configuration(
        values,
        language_model,
        training__per_device_train_batch_size=3,
        training__padding_free=padding_free,
    )
    base, model = adapted(config)
    model.eval()
    with torch.no_grad():
        losses = torch.cat([token_losses(model, batch) for batch in single_rows(base, config)])
    evaluated = make_trainer(base, model, config, tmp_path).evaluate()
    assert evaluated["eval_loss"] == pytest.approx(losses.mean().item(), rel=2e-6)


def test_batches_of_a_step_stay_on_the_cpu_until_their_forward_pass(
    values: dict[str, Any], tmp_path: Path, language_model: Path
) -> None:
    config = family_configuration(values, language_model)
    base, model = adapted(config)
    loader = make_trainer(base, model, config, tmp_path).get_train_dataloader()
    assert loader.device is None  # accelerate moves a batch to the device of its loader


class ScaledLlama(LlamaForCausalLM):
    """Changes its logits in a way that no configuration tells."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        outputs: Any = super().forward(*args, **kwargs)
        outputs["logits"] = outputs["logits"] * 3
        return outputs


SIZES: dict[str, Any] = {
    **{name: size for name, size in small_models.TEXT.items() if name != "model_type"},
    "num_attention_heads": 4,
    "head_dim": 16,
    "vocab_size": 60,
}


@pytest.mark.parametrize(
    ("make", "heads"),
    [
        (lambda: LlamaForCausalLM(LlamaConfig(**SIZES)), [1, 5, 5, 1]),
        (
            lambda: Gemma2ForCausalLM(Gemma2Config(**SIZES, final_logit_softcapping=2.0)),
            [1, 5, 5, 1],
        ),
        (lambda: GraniteForCausalLM(GraniteConfig(**SIZES, logits_scaling=4.0)), [1, 5, 5, 1]),
        (lambda: ScaledLlama(LlamaConfig(**SIZES)), [1, 20]),
    ],
    ids=["llama", "gemma2", "granite", "unknown"],
)
def test_logits_are_made_of_learned_tokens_only(make: Callable[[], Any], heads: list[int]) -> None:
    torch.manual_seed(0)
    model = make().eval()
    ids = torch.randint(60, (2, 10))
    labels = ids.clone()
    labels[0, :6] = labels[1, 2:4] = IGNORE_INDEX  # of row 1, the first token is not predicted
    logits = model(input_ids=ids).logits[:, :-1].flatten(0, 1)
    plain = F.cross_entropy(logits, labels[:, 1:].flatten(), reduction="sum")
    (expected,) = torch.autograd.grad(plain, model.lm_head.weight)

    made: list[int] = []
    token_loss.compute_token_loss(model)
    model.lm_head.register_forward_hook(
        lambda _, __, output: made.append(output.numel() // output.shape[-1])
    )
    for frozen in (True, False):
        made.clear()
        model.lm_head.weight.requires_grad_(not frozen)
        outputs = model(input_ids=ids, labels=labels, num_items_in_batch=torch.tensor(7))
        assert made == (heads if frozen else heads[-len(made) :])
        assert outputs["loss"].item() == pytest.approx(plain.item() / 7, rel=1e-6)
        assert outputs["row_losses"].sum().item() == pytest.approx(plain.item(), rel=1e-6)
        assert outputs["row_tokens"].tolist() == [4, 7]
    outputs["loss"].backward()
    torch.testing.assert_close(model.lm_head.weight.grad, expected / 7)
