"""What others do without an index of ours: keywords as ripgrep finds them, and BM25 over plain words."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from context.terms import STOP_WORDS

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|\d+")
MOST_KEYWORDS = 25
CHUNK_LINES, OVERLAP_LINES = 40, 10
K1, B = 1.2, 0.75


def words(text: str) -> list[str]:
    return [word.lower() for word in WORD.findall(text)]


def asked(question: str) -> list[str]:
    return [word for word in words(question) if word not in STOP_WORDS and len(word) > 1]


class Keywords:
    """Files by the rarity of the words they contain: stronger than the counts that ``rg -c`` gives."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = [text.lower() for text in texts]

    def scores(self, question: str) -> np.ndarray:
        wanted = list(dict.fromkeys(asked(question)))[:MOST_KEYWORDS]
        counts = np.array([[text.count(word) for word in wanted] for text in self.texts], np.float64)
        counts = counts.reshape(len(self.texts), len(wanted))
        found = (counts > 0).sum(0)
        idf = np.log(1 + (len(self.texts) - found + 0.5) / (found + 0.5))
        # Of files with the same words the one that has them more often comes first.
        return ((counts > 0) * idf).sum(1) + 1e-5 * counts.sum(1)


class Bm25:
    """A file is worth its best piece of 40 lines; words as they stand."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.files = len(texts)
        owners: list[int] = []
        pieces: list[list[str]] = []
        for number, text in enumerate(texts):
            lines = text.split("\n")
            step = CHUNK_LINES - OVERLAP_LINES
            for at in range(0, max(1, len(lines) - OVERLAP_LINES), step):
                owners.append(number)
                pieces.append(words("\n".join(lines[at : at + CHUNK_LINES])))
        self.owners = np.array(owners)
        lengths = np.array([len(piece) for piece in pieces], np.float64)
        self.norms = K1 * (1 - B + B * lengths / max(lengths.mean(), 1e-9))
        postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, piece in enumerate(pieces):
            for word, count in Counter(piece).items():
                postings[word].append((number, count))
        self.postings = {word: np.array(rows, np.int64).T for word, rows in postings.items()}

    def scores(self, question: str) -> np.ndarray:
        pieces = np.zeros(len(self.owners))
        for word in asked(question):
            if word in self.postings:
                rows, counts = self.postings[word]
                idf = math.log(1 + (len(self.owners) - len(rows) + 0.5) / (len(rows) + 0.5))
                pieces[rows] += idf * counts * (K1 + 1) / (counts + self.norms[rows])
        files = np.zeros(self.files)
        np.maximum.at(files, self.owners, pieces)
        return files
