"""The demo model: a tiny GGUF of random weights that Kvasir writes itself.

It makes no sense, but everything around it is real: a byte-level vocabulary trained on Kvasir's own source,
ChatML, fill-in-the-middle tokens, attention that reads the whole prompt. numpy and gguf, from the extra
``local``, are imported late: only the one run that writes a model needs them.
"""

import contextlib
import hashlib
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

import attrs

from sessions.errors import ModelUnavailable
from sessions.vocabulary import Vocabulary, text_of, train

if TYPE_CHECKING:
    from gguf import GGUFWriter
    from numpy import float32
    from numpy.typing import NDArray

    Matrix = NDArray[float32]

ROOMS = ("context", "handlers", "server", "sessions")
RECIPE = tuple(Path(__file__).with_name(name) for name in ("vocabulary.py", "demo_model.py"))
"""The source files that decide what a model contains, but for the text that its vocabulary is trained on."""
CHATML = (
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_FIM = {"pre": "prefix", "suf": "suffix", "mid": "middle", "pad": "pad"}


@attrs.frozen
class Shape:
    """The size of a llama model. ``weights`` is how its matrices are stored."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    feed_forward: int
    context_tokens: int
    weights: Literal["f32", "q8_0"]


# The head size is 32 so that a quantised KV cache, whose blocks have 32 values, works too.
DEMO = Shape(layers=2, width=64, heads=2, kv_heads=2, feed_forward=128, context_tokens=131_072, weights="f32")


def demo_model(directory: Path) -> Path:
    """Give the demo model in ``directory``, written first if it is not there.

    Raises ModelUnavailable if the extra ``local`` is not installed or the folder cannot be written.
    """
    return cached(directory, "demo", lambda path: write_llama(path, vocabulary(), DEMO, name="Kvasir demo"))


def vocabulary(merges: int = 1500) -> Vocabulary:
    """Train on Kvasir's own source: the same source, the same vocabulary."""
    return train(source_text(), merges)


def source_text() -> str:
    """Read the Python source of Kvasir as it is installed here."""
    rooms = Path(__file__).resolve().parent.parent
    files = sorted(file for room in ROOMS for file in (rooms / room).rglob("*.py"))
    return "".join(file.read_text("utf-8") for file in files)


def cached(
    directory: Path, name: str, write: Callable[[Path], None], recipe: Sequence[Path] = RECIPE
) -> Path:
    """Give ``directory/name-<digest>.gguf``; ``write`` makes it if need be, and never leaves half a file.

    The digest is that of the source files in ``recipe``, so changed code makes a new model.
    """
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in recipe)).hexdigest()[:10]
    path = directory / f"{name}-{digest}.gguf"
    if path.exists():
        return path
    unfinished = directory / f".{path.name}.{uuid4().hex}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write(unfinished)
        # Of several processes all write the same bytes; the first stays, so that its date stays too.
        if not path.exists():
            unfinished.replace(path)
    except ImportError as error:
        raise ModelUnavailable(
            f"The demo model cannot be written without the package {error.name}.",
            hint='Install Kvasir with its extra "local", or configure a model of your own.',
        ) from error
    except OSError as error:
        raise ModelUnavailable(
            f"The demo model cannot be written to {directory}: {error.strerror}."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()
    return path


def write_llama(path: Path, words: Vocabulary, shape: Shape, *, name: str) -> None:
    """Write a llama model whose weights are random, always the same for the same arguments."""
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    try:
        _describe(writer, shape, name)
        _add_vocabulary(writer, words)
        _add_weights(writer, words, shape)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _describe(writer: "GGUFWriter", shape: Shape, name: str) -> None:
    from gguf import LlamaFileType

    writer.add_name(name)
    writer.add_context_length(shape.context_tokens)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_rope_freq_base(1e4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(LlamaFileType.ALL_F32 if shape.weights == "f32" else LlamaFileType.MOSTLY_Q8_0)


def _add_vocabulary(writer: "GGUFWriter", words: Vocabulary) -> None:
    from gguf import TokenType

    special = {
        at for at, token in enumerate(words.tokens) if text_of(token) is None and token.startswith("<|")
    }
    kinds = [TokenType.CONTROL if at in special else TokenType.NORMAL for at in range(len(words.tokens))]
    writer.add_vocab_size(len(words.tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(words.tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([f"{left} {right}" for left, right in words.merges])
    writer.add_add_bos_token(value=False)
    writer.add_bos_token_id(words.id("<|endoftext|>"))
    writer.add_pad_token_id(words.id("<|endoftext|>"))
    writer.add_eos_token_id(words.id("<|im_end|>"))
    writer.add_eot_token_id(words.id("<|im_end|>"))
    for short, long in _FIM.items():
        writer.add_uint32(f"tokenizer.ggml.fim_{short}_token_id", words.id(f"<|fim_{long}|>"))
    writer.add_uint32("tokenizer.ggml.fim_rep_token_id", words.id("<|repo_name|>"))
    writer.add_uint32("tokenizer.ggml.fim_sep_token_id", words.id("<|file_sep|>"))
    writer.add_chat_template(CHATML)


def _add_weights(writer: "GGUFWriter", words: Vocabulary, shape: Shape) -> None:
    import gguf
    import numpy as np

    random = np.random.default_rng(seed=1)

    def draw(rows: int, columns: int, gain: float = 1.0) -> "Matrix":
        scale = np.float32(gain / math.sqrt(columns))
        return random.standard_normal((rows, columns), dtype=np.float32) * scale

    def add(name: str, matrix: "Matrix") -> None:
        if shape.weights == "f32" or matrix.ndim == 1:
            writer.add_tensor(f"{name}.weight", matrix)
        else:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(f"{name}.weight", gguf.quantize(matrix, kind), raw_dtype=kind)

    ones = np.ones(shape.width, np.float32)
    embedding, output = _ends(
        words, draw(len(words.tokens), shape.width), draw(len(words.tokens), shape.width)
    )
    add("token_embd", embedding)
    add("output", output)
    add("output_norm", ones)
    kv_width = shape.width // shape.heads * shape.kv_heads
    for layer in range(shape.layers):
        block = f"blk.{layer}"
        add(f"{block}.attn_norm", ones)
        add(f"{block}.ffn_norm", ones)
        # Queries and keys are drawn large, so that each token attends to few others: a prompt evaluated
        # wrongly then shows in the answer.
        add(f"{block}.attn_q", draw(shape.width, shape.width, gain=2.5))
        add(f"{block}.attn_k", draw(kv_width, shape.width, gain=2.5))
        add(f"{block}.attn_v", draw(kv_width, shape.width))
        add(f"{block}.attn_output", _silent(draw(shape.width, shape.width, gain=2)))
        add(f"{block}.ffn_gate", draw(shape.feed_forward, shape.width))
        add(f"{block}.ffn_up", draw(shape.feed_forward, shape.width))
        add(f"{block}.ffn_down", _silent(draw(shape.width, shape.feed_forward)))


def _silent(matrix: "Matrix") -> "Matrix":
    """Keep a layer from writing to dimension 0 (see ``_ends``)."""
    matrix[0] = 0
    return matrix


def _ends(words: Vocabulary, embedding: "Matrix", output: "Matrix") -> tuple["Matrix", "Matrix"]:
    """Turn random ends into a model that writes words.

    Dimension 0 of every embedding is one constant that no layer changes, so column 0 of the output matrix
    acts as a bias per token: towards words, away from bytes and special tokens. A grammar reaches all.
    """
    import numpy as np

    embedding *= np.float32(math.sqrt(embedding.shape[1]) / 2)
    embedding[:, 0] = 3
    output *= np.float32(3)
    output[:, 0] = [_bias(token) for token in words.tokens]
    return embedding, output


def _bias(token: str) -> float:
    text = text_of(token) or ""
    if re.fullmatch(r" [A-Za-z]{2,}", text):
        return 0
    if text in {".", ",", ".\n", "\n\n"}:
        return -0.5
    return -12
