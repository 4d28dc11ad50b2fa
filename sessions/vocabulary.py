"""A byte-level BPE vocabulary, trained in a second on a few hundred kilobytes of text.

The scheme is GPT-2's (Radford et al., 2019; byte-level merges after Sennrich et al., 2016), which llama.cpp
reads as tokenizer model ``gpt2``: each byte has a printable stand-in, text is cut into words that keep their
leading space, and within words the most frequent pair is merged, again and again.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

import attrs

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
)
"""Tokens that no text produces: the ends of ChatML's turns, and the parts of a fill-in-the-middle prompt."""

_WORD = re.compile(r"'(?:[sdmt]|ll|ve|re)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")


def _stand_ins() -> dict[int, str]:
    """Map each byte to the character that GPT-2's vocabulary files write for it."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + at) for at, byte in enumerate(others)}


STAND_INS = _stand_ins()
_BYTES = {character: byte for byte, character in STAND_INS.items()}


@attrs.frozen
class Vocabulary:
    """Tokens in the order of their ids (all bytes, then merges, then ``SPECIAL``) and the merges as pairs."""

    tokens: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]

    def id(self, token: str) -> int:
        """Give the id of a token; ValueError if there is none."""
        return self.tokens.index(token)


def text_of(token: str) -> str | None:
    """Give the text that a token writes; None for special tokens and for parts of a character."""
    if token in SPECIAL:
        return None
    try:
        return bytes(_BYTES[character] for character in token).decode()
    except UnicodeDecodeError:
        return None


def train(text: str, merges: int) -> Vocabulary:
    """Learn at most ``merges`` merges; the same text always gives the same vocabulary."""
    learned = tuple(_learn(text, merges))
    joined = dict.fromkeys(left + right for left, right in learned)
    return Vocabulary((*STAND_INS.values(), *joined, *SPECIAL), learned)


def _learn(text: str, merges: int) -> Iterable[tuple[str, str]]:
    frequencies = Counter(match.group() for match in _WORD.finditer(text))
    words = [[STAND_INS[byte] for byte in word.encode()] for word in frequencies]
    counts = list(frequencies.values())
    pairs: Counter[tuple[str, str]] = Counter()
    places: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for at, word in enumerate(words):
        for pair in pairwise(word):
            pairs[pair] += counts[at]
            places[pair].add(at)
    for _ in range(merges):
        if not pairs:
            return
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        if pairs[best] < 2:  # noqa: PLR2004 - what occurs once teaches nothing
            return
        yield best
        for at in places.pop(best):
            before, after = words[at], _merged(words[at], best)
            words[at] = after
            for pair in pairwise(before):
                pairs[pair] -= counts[at]
            for pair in pairwise(after):
                pairs[pair] += counts[at]
                places[pair].add(at)
        del pairs[best]


def _merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for symbol in word:
        # A run ("aaa") merges from the left, as in llama.cpp: what was just joined is no left half.
        if merged and merged[-1] == pair[0] and symbol == pair[1]:
            merged[-1] = pair[0] + pair[1]
        else:
            merged.append(symbol)
    return merged
