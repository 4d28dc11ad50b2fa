"""Text to search terms: the same function for what is indexed and for what is asked.

``readHTTPHeader`` becomes the whole identifier and its parts, lower case and without endings. This was worth
seven points of recall over plain words, more than anything a model added.
"""

import re

LONGEST = 64
"""Characters of a term; longer runs are data, not names."""
_CACHED = 100_000

_BLANKED = "".join(chr(code) if chr(code).isalnum() or chr(code) == "_" else " " for code in range(128))
_WORD = re.compile(r"[^\W\d]\w*|\d+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# Scripts written without spaces: a run of them is found by its pairs of characters.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003ffff]+"
)

STOP_WORDS = frozenset(
    """a an the of to in on at for and or is are be was were it its this that with as by from
    not no if then else when we i you he they there has have had do does did can could should
    would will may might must also but so than which what who how why where into onto out up
    down over under only just use used using uses make makes made fix fixes fixed add adds
    added adding remove removes removed removing support avoid allow ensure change changes
    changed update updates updated instead after before new some all any more one two case
    e g s t""".split()  # noqa: SIM905 - a list would take a hundred lines
)
"""English filler, and the verbs that every commit message has."""


def of_text(text: str) -> list[str]:
    """The terms of a text in its order, for the index; terms of one character are left out."""
    return indexed(text).split()


def indexed(text: str) -> str:
    """The same with a space between terms, as the full-text index takes it."""
    if len(_terms_of) > _CACHED:
        _terms_of.clear()
    # Blanks for all that is no part of a word, then a split, takes a third of what a pattern takes.
    words = text.translate(_BLANKED).split() if text.isascii() else _WORD.findall(text)
    return " ".join(filter(None, map(_terms_of.__getitem__, words)))


def of_question(text: str) -> list[str]:
    """The distinct terms of a question in its order, without stop words."""
    found = (term for word in _WORD.findall(text) if word.lower() not in STOP_WORDS for term in of_text(word))
    return [term for term in dict.fromkeys(found) if term not in STOP_WORDS]


def stem(word: str) -> str:
    """Undo plural, -ing and -ed: crude, and the same on both sides, which is what counts."""
    size = len(word)
    if size > 4 and word.endswith("ies"):  # noqa: PLR2004 - lengths below which an ending is part of the word
        return word[:-3] + "y"
    if size > 5 and word.endswith("ing"):  # noqa: PLR2004
        word = word[:-3]
    elif size > 4 and word.endswith("ed"):  # noqa: PLR2004
        word = word[:-2]
    elif size > 3 and word.endswith("es") and word[-3] in "sxz":  # noqa: PLR2004
        return word[:-2]
    elif size > 3 and word.endswith("s") and word[-2] not in "su":  # noqa: PLR2004
        return word[:-1]
    else:
        return word[:-1] if size > 4 and word.endswith("e") else word  # noqa: PLR2004
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz" else word  # noqa: PLR2004


def _terms(word: str) -> list[str]:
    if len(word) > LONGEST:
        return []
    if not word.isascii():
        return _foreign(word)
    parts = _PART.findall(word)
    whole = word.lower()
    several = len(parts) > 1
    found = [whole, *(part.lower() for part in parts)] if several else [whole.strip("_") or whole]
    return [stem(term) if term.isalpha() else term for term in found if len(term) > 1]


def _foreign(word: str) -> list[str]:
    """The terms of a word with letters beyond ASCII: parts between underscores, pairs of unspaced scripts."""
    found: list[str] = []
    for part in word.casefold().split("_"):
        at = 0
        for run in _UNSPACED.finditer(part):
            found += [part[at : run.start()], *_pairs(run.group())]
            at = run.end()
        found.append(part[at:])
    return [term for term in found if len(term) > 1 or _UNSPACED.match(term)]


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(max(1, len(run) - 1))]


class _Cache(dict[str, str]):
    """Words repeat: their terms are worked out once."""

    def __missing__(self, word: str) -> str:
        found = " ".join(term for part in _WORD.findall(word) for term in _terms(part))
        self[word] = found
        return found


_terms_of = _Cache()
