"""Which files and definitions matter: PageRank over "this file uses what that file defines".

The graph is never built. An edge from a file to each definer of each name it uses would be one for every pair
(over a million in a project of 6,000 files); its matrix is the product of two thin ones, *files x names used*
and *names x files defining*, and multiplying by these one after the other costs as much as reading them once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.int64]
Weights: TypeAlias = NDArray[np.float64]
NameWeight: TypeAlias = Callable[[str, int], float]
"""How much a name tells, from the name and how many files define it."""

DAMPING = 0.85
TOLERANCE = 1e-9
ROUNDING = 1e-9
MAX_ROUNDS = 100

COMMON_DEFINERS = 5
"""A name that more files define than this says little about which one is meant."""
TELLING_LENGTH = 8
SHORTEST_LINK = 3


@attrs.frozen(eq=False)
class Uses:
    """Who defines and who uses which name, by number: what the index knows of a project's symbols.

    ``defining_files[i]`` defines ``defined_names[i]``; ``using_files[i]`` uses ``used_names[i]``
    ``counts[i]`` times. No pair occurs twice. Files and names count from 0.
    """

    paths: Sequence[str]
    names: Sequence[str]
    defining_files: Numbers
    defined_names: Numbers
    using_files: Numbers
    used_names: Numbers
    counts: Numbers

    def definers(self) -> Numbers:
        """By name, how many files define it."""
        return np.bincount(self.defined_names, minlength=len(self.names))

    def both(self) -> tuple[Numbers, Numbers]:
        """Where a file uses what it defines itself: positions among the uses, and among the definitions."""
        width = len(self.names)
        pairs = self.using_files * width + self.used_names
        order = _order(pairs)
        ordered = pairs[order]
        wanted = self.defining_files * width + self.defined_names
        at = np.searchsorted(ordered, wanted)
        found = (
            np.flatnonzero(ordered[np.minimum(at, len(ordered) - 1)] == wanted) if len(ordered) else at[:0]
        )
        return order[at[found]], found


@attrs.frozen(eq=False)
class Links:
    """A matrix *user x definer* without its diagonal, kept as its two factors; both sorted for fast sums."""

    files: int
    defined: "Sums"
    """Of names, over the files that define them."""
    used: "Sums"
    """Of names, over the files that use them, with the weight of each use."""
    own: Weights
    """By file, the weight of its uses of what it defines itself: what the product has too much."""

    @classmethod
    def of(cls, uses: Uses, weigh: NameWeight) -> "Links":
        """The links of a project, each name weighed, each count as its square root."""
        values = np.sqrt(uses.counts) * _weights(uses, weigh)[uses.used_names]
        by_itself, _ = uses.both()
        return cls.weighed(uses, values, by_itself)

    @classmethod
    def weighed(cls, uses: Uses, values: Weights, by_itself: Numbers) -> "Links":
        """The same from the weights of all uses, and which of them are of a file's own definitions."""
        kept = values > 0
        size = (len(uses.paths), len(uses.names))
        return cls(
            files=size[0],
            defined=Sums.of(uses.defining_files, uses.defined_names, np.ones(len(uses.defined_names)), size),
            used=Sums.of(uses.using_files[kept], uses.used_names[kept], values[kept], size),
            own=np.bincount(uses.using_files[by_itself], values[by_itself], size[0]).astype(np.float64),
        )

    def to_definers(self, by_user: Weights) -> Weights:
        """Hand what each file has to the files that define what it uses."""
        return self.defined.to_files(self.used.to_names(by_user)) - by_user * self.own

    def to_users(self, by_definer: Weights) -> Weights:
        """Hand what each file has to the files that use what it defines."""
        return self.used.to_files(self.defined.to_names(by_definer)) - by_definer * self.own

    def around(self, scores: Weights) -> Weights:
        """By file, the mean of the scores of its users and definers, each by the weight of its link."""
        ones = np.ones(self.files)
        total = self._cleared(self.to_users(ones) + self.to_definers(ones))
        return _divided(self.to_users(scores) + self.to_definers(scores), total)

    def weight_of_users(self) -> Weights:
        """By file, the weight of all its links to definers; 0 when it has none."""
        return self._cleared(self.to_users(np.ones(self.files)))

    def _cleared(self, total: Weights) -> Weights:
        """Without the rounding that stays where a file is linked to nothing but itself."""
        return np.where(total > self.own * ROUNDING, total, 0.0)


@attrs.frozen(eq=False)
class Sums:
    """A sparse matrix *files x names*, stored by file and by name, so that sums run over neighbours."""

    by_file: "_Rows"
    by_name: "_Rows"

    @classmethod
    def of(cls, files: Numbers, names: Numbers, values: Weights, size: tuple[int, int]) -> "Sums":
        return cls(_Rows.of(files, names, values, size[0]), _Rows.of(names, files, values, size[1]))

    def to_files(self, by_name: Weights) -> Weights:
        return self.by_file.times(by_name)

    def to_names(self, by_file: Weights) -> Weights:
        return self.by_name.times(by_file)


@attrs.frozen(eq=False)
class _Rows:
    size: int
    filled: Numbers
    """The rows that hold anything."""
    starts: Numbers
    columns: Numbers
    values: Weights

    @classmethod
    def of(cls, rows: Numbers, columns: Numbers, values: Weights, size: int) -> "_Rows":
        order = _order(rows)
        rows = rows[order]
        starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]]) if len(rows) else rows
        return cls(size, rows[starts], starts, columns[order], values[order])

    def times(self, vector: Weights) -> Weights:
        result = np.zeros(self.size)
        if len(self.filled):
            # Faster than bincount, which visits the result at random.
            result[self.filled] = np.add.reduceat(vector[self.columns] * self.values, self.starts)
        return result


@attrs.frozen(eq=False)
class Ranks:
    """How much a project's own references point to each file, and to each definition.

    ``files`` sums to 1. ``definitions[i]`` belongs to the ``i``-th pair of file and name in ``Uses``.
    """

    uses: Uses
    files: Weights
    definitions: Weights

    def by_path(self) -> dict[str, float]:
        return dict(zip(self.uses.paths, self.files.tolist(), strict=True))


def rank(
    uses: Uses,
    *,
    personal: Mapping[str, float] | None = None,
    before: Mapping[str, float] | None = None,
) -> Ranks:
    """Rank the files and definitions of a project.

    ``personal`` weighs the paths that a person cares about: ranks then flow from these. ``before`` are ranks
    by path to begin from: close ones take a fraction of the rounds. Where it begins changes the result by
    less than ``TOLERANCE``.
    """
    values = np.sqrt(uses.counts) * _weights(uses, telling)[uses.used_names]
    used, defined = uses.both()
    links = Links.weighed(uses, values, used)
    files = _settled(links, _shares(uses.paths, personal), _shares(uses.paths, before))
    per_use = _divided(files, links.weight_of_users())
    definitions = links.used.to_names(per_use)[uses.defined_names]
    # One does not recommend oneself.
    definitions[defined] -= per_use[uses.using_files[used]] * values[used]
    return Ranks(uses, files, np.maximum(definitions, 0.0))


def telling(name: str, definers: int) -> float:
    """How much the use of a name says about importance: long compound names much, private and common little.

    The factors are those that made aider's map useful, and one for plain short words.
    """
    weight = 1.0
    compound = "_" in name.strip("_") or (name != name.lower() and name != name.upper())
    if len(name) >= TELLING_LENGTH and compound:
        weight *= 10.0
    elif len(name) < TELLING_LENGTH and name.islower() and not compound:
        # join, get, has: mostly the standard library's, and not what some file here calls so too.
        weight *= 0.1
    if name.startswith("_"):
        weight *= 0.1
    if definers > COMMON_DEFINERS:
        weight *= 0.1
    return weight


def linking(name: str, definers: int) -> float:
    """How much the use of a name says that two files belong together: nothing when it is short or common."""
    if len(name) < SHORTEST_LINK or definers > COMMON_DEFINERS:
        return 0.0
    return 1.0 / definers


def _settled(links: Links, personal: Weights, start: Weights) -> Weights:
    """Power iteration. Who uses nothing hands its rank to all, by ``personal``."""
    total = links.weight_of_users()
    stuck = total == 0
    ranks = start
    for _ in range(MAX_ROUNDS):
        passed = links.to_definers(_divided(ranks, total))
        following = DAMPING * (passed + ranks[stuck].sum() * personal) + (1 - DAMPING) * personal
        following /= following.sum() or 1.0
        moved = float(np.abs(following - ranks).sum())
        ranks = following
        if moved < TOLERANCE:
            break
    return ranks


def _weights(uses: Uses, weigh: NameWeight) -> Weights:
    """By name; 0 for one that nobody defines."""
    definers = uses.definers()
    weight = np.zeros(len(uses.names))
    for name in np.flatnonzero(definers).tolist():
        weight[name] = weigh(uses.names[name], int(definers[name]))
    return weight


def _shares(paths: Sequence[str], given: Mapping[str, float] | None) -> Weights:
    """By path, shares that sum to 1; equal ones when nothing known is given."""
    known = np.array([0.0 if given is None else max(given.get(path, 0.0), 0.0) for path in paths])
    if (total := float(known.sum())) > 0:
        return known / total
    return np.full(len(paths), 1.0 / max(len(paths), 1))


def _order(keys: Numbers) -> Numbers:
    """What sorts the keys (from 0), equal ones in their order.

    Sorting numbers is several times faster than sorting positions by them.
    """
    if bool(np.all(keys[1:] >= keys[:-1])):
        return np.arange(len(keys))
    size = len(keys)
    return np.sort(keys * size + np.arange(size)) % size


def _divided(values: Weights, by: Weights) -> Weights:
    return np.divide(values, by, out=np.zeros_like(values), where=by > 0)
