"""Models that only tests and benchmarks need, of random weights like the demo model."""

import functools
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sessions import demo_model
from sessions.demo_model import CHATML, DEMO, RECIPE, Shape, cached, source_text, vocabulary, write_llama
from sessions.vocabulary import Vocabulary

if TYPE_CHECKING:
    from gguf import GGUFWriter
    from numpy import float32
    from numpy.typing import NDArray

MEDIUM = Shape(
    layers=4, width=512, heads=8, kv_heads=4, feed_forward=1408, context_tokens=131_072, weights="q8_0"
)
"""Evaluates hundreds of tokens per second and core, so that prefill matters and a benchmark still ends."""

TEMPLATES = {
    "chatml": CHATML,
    # The date stands in front, as in Llama 3.1: a server that runs past midnight evaluates anew.
    "llama3": (
        "<|endoftext|>{% for message in messages %}"
        "<|im_start|>{{ message.role }}<|file_sep|>\n\n"
        "{% if loop.first and message.role == 'system' %}Today is {{ strftime_now('%d %b %Y') }}.\n\n{% endif %}"
        "{{ message.content | trim }}<|im_end|>"
        "{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant<|file_sep|>\n\n{% endif %}"
    ),
    # No system role: its text goes into the first question, and the assistant is called model.
    "gemma": (
        "<|endoftext|>{% set told = namespace(text='') %}"
        "{% for message in messages %}"
        "{% if message.role == 'system' %}{% set told.text = message.content + '\n\n' %}{% else %}"
        "<|im_start|>{{ 'model' if message.role == 'assistant' else message.role }}\n"
        "{{ told.text }}{{ message.content | trim }}<|im_end|>\n{% set told.text = '' %}"
        "{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>model\n{% endif %}"
    ),
    # Nothing between question and answer, and roles that must alternate.
    "mistral": (
        "<|endoftext|>{% set told = namespace(text='', user=true) %}"
        "{% for message in messages %}"
        "{% if message.role == 'system' %}{% set told.text = message.content + '\n\n' %}"
        "{% else %}{% if (message.role == 'user') != told.user %}{{ raise_exception('roles must alternate') }}{% endif %}"
        "{% if message.role == 'user' %}[INST] {{ told.text }}{{ message.content }} [/INST]"
        "{% else %} {{ message.content | trim }}<|im_end|>{% endif %}"
        "{% set told.text = '' %}{% set told.user = not told.user %}"
        "{% endif %}{% endfor %}"
    ),
    # As Qwen 3: an empty thought is put in front of the last answer only, and thinking is opened.
    "thinking": (
        "{% for message in messages %}"
        "<|im_start|>{{ message.role }}\n"
        "{% if message.role == 'assistant' %}"
        "{{ message.content.split('</think>')[-1].lstrip('\n') }}"
        "{% else %}{{ message.content }}{% endif %}<|im_end|>\n"
        "{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
    ),
}
"""Chat templates in the manner of several families, made of the tokens that the demo model has."""

_RECIPE = (*RECIPE, Path(__file__))
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_MEAN, _RANK = 1, 4
_LAYERS, _WIDTH, _HEADS, _FEED_FORWARD, _CONTEXT = 2, 64, 4, 128, 512


def benchmark_model(directory: Path) -> Path:
    """Give a model with a prefill slow enough to measure; it speaks the demo model's vocabulary."""

    def write(path: Path) -> None:
        write_llama(path, vocabulary(), MEDIUM, name="Kvasir benchmark")

    return cached(directory, "benchmark", write, _RECIPE)


def templated_model(directory: Path, template: str) -> Path:
    """Give the demo model with another chat template, one of ``TEMPLATES``."""

    def write(path: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(demo_model, "CHATML", TEMPLATES[template])
            write_llama(path, _vocabulary(), DEMO, name=f"Kvasir {template}")

    return cached(directory, template, write, _RECIPE)


@functools.cache
def _vocabulary() -> Vocabulary:
    return vocabulary()


def embedding_model(directory: Path) -> Path:
    """Give a BERT that embeds texts, 64 numbers each, by the mean of their tokens."""
    return cached(directory, "embedding", lambda path: _write_bert(path, pooling=_MEAN), _RECIPE)


def rerank_model(directory: Path) -> Path:
    """Give a BERT that scores a document against a query."""
    return cached(directory, "rerank", lambda path: _write_bert(path, pooling=_RANK), _RECIPE)


def _words() -> list[str]:
    """Give a WordPiece vocabulary as llama.cpp stores it: what begins a word is marked with U+2581."""
    frequent = Counter(re.findall(r"[a-z]+", source_text().lower())).most_common(1500)
    characters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    starts = [f"\u2581{word}" for word in [*(word for word, _ in frequent), *characters]]
    return [*_SPECIAL, *dict.fromkeys([*starts, *characters])]


def _write_bert(path: Path, *, pooling: int) -> None:
    import gguf

    writer = gguf.GGUFWriter(path, "bert")
    try:
        words = _words()
        _describe(writer, words, pooling)
        _add_weights(writer, len(words), pooling)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _describe(writer: "GGUFWriter", words: list[str], pooling: int) -> None:
    from gguf import PoolingType, TokenType

    writer.add_name("Kvasir BERT")
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(value=False)
    writer.add_pooling_type(PoolingType(pooling))
    writer.add_vocab_size(len(words))
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(words)
    special, plain = len(_SPECIAL), len(words) - len(_SPECIAL)
    writer.add_token_types([*[TokenType.CONTROL] * special, *[TokenType.NORMAL] * plain])
    writer.add_token_type_count(2)
    pad, unknown, start, separator, mask = range(special)
    writer.add_pad_token_id(pad)
    writer.add_unk_token_id(unknown)
    writer.add_bos_token_id(start)
    writer.add_eos_token_id(separator)
    writer.add_sep_token_id(separator)
    writer.add_mask_token_id(mask)
    writer.add_add_bos_token(value=True)
    writer.add_add_eos_token(value=True)


def _add_weights(writer: "GGUFWriter", words: int, pooling: int) -> None:
    import numpy as np

    random = np.random.default_rng(seed=2)

    def draw(rows: int, columns: int) -> "NDArray[float32]":
        return random.standard_normal((rows, columns), dtype=np.float32) * np.float32(0.3)

    def linear(name: str, rows: int, columns: int) -> None:
        writer.add_tensor(f"{name}.weight", draw(rows, columns))
        writer.add_tensor(f"{name}.bias", np.zeros(rows, np.float32))

    def norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(_WIDTH, np.float32))
        writer.add_tensor(f"{name}.bias", np.zeros(_WIDTH, np.float32))

    writer.add_tensor("token_embd.weight", draw(words, _WIDTH))
    writer.add_tensor("position_embd.weight", draw(_CONTEXT, _WIDTH))
    writer.add_tensor("token_types.weight", draw(2, _WIDTH))
    norm("token_embd_norm")
    for layer in range(_LAYERS):
        block = f"blk.{layer}"
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            linear(f"{block}.{part}", _WIDTH, _WIDTH)
        norm(f"{block}.attn_output_norm")
        linear(f"{block}.ffn_up", _FEED_FORWARD, _WIDTH)
        linear(f"{block}.ffn_down", _WIDTH, _FEED_FORWARD)
        norm(f"{block}.layer_output_norm")
    if pooling == _RANK:
        linear("cls", _WIDTH, _WIDTH)
        linear("cls.output", 1, _WIDTH)
        writer.add_array("bert.classifier.output_labels", ["LABEL_0"])
