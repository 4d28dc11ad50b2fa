"""From what the person chose to segments: a stable base and a tail that follows it."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from pathlib import Path

import attrs

from context import git, pack
from context import selection as selections
from context.budget import WHOLE_SHARE, Estimator, Policy, choose
from context.errors import Unreadable
from context.files import Files, source
from context.library import Library, Looked
from context.masking import safe
from context.notes import notes
from context.ports import CountTokens, Size
from context.segment import Kind, Segment
from context.selection import Selection

MAP_SHARE = 1 / 16
SEARCH_SHARE = 1 / 8
RELATED_SHARE = 1 / 16
"""Of the model's window, for what is cut to an allowance."""
MOST_TOKENS = 8192
"""Of each of these, however large the window is."""
COMMITS = 10


class Git(StrEnum):
    """What git can tell about a question."""

    DIFF = "diff"
    STAGED = "staged"
    BLAME = "blame"
    LOG = "log"


@attrs.frozen
class Wanted:
    """The context that goes with a question.

    Of ``paths``, those in ``if_readable`` were not asked for by name: they are left out when they cannot be
    shown whole. ``diagnostics`` are lines that the editor's language servers complain in.
    """

    root: Path | None = None
    selection: Selection | None = None
    paths: tuple[Path, ...] = ()
    project: bool = False
    if_readable: tuple[Path, ...] = ()
    related: bool = False
    map: bool = False
    retrieval: bool = False
    notes: bool = False
    git: tuple[Git, ...] = ()
    diagnostics: tuple[str, ...] = ()


@attrs.frozen
class Sources:
    """Where segments come from; ``library`` gives the index of a workspace."""

    files: Files
    library: Callable[[Path], Library]
    size: Size = Estimator().at_most


@attrs.frozen
class Gathered:
    """``base`` stays in front of all turns, ``tail`` goes with one question; ``notes``: what was left out.

    ``search_tokens`` may be spent on what is found for the text of a question; 0 if none is to be searched.
    """

    base: tuple[Segment, ...] = ()
    tail: tuple[Segment, ...] = ()
    notes: tuple[str, ...] = ()
    search_tokens: int = 0


async def gather(
    wanted: Wanted,
    question: str,
    sources: Sources,
    count: CountTokens,
    budget_tokens: int,
    window_tokens: int | None = None,
) -> Gathered:
    """Read what is wanted. Without a question nothing is searched for, which ``searched`` adds.

    A named file that cannot be read is an error (``Unreadable``); one of a project is left out and noted.
    """
    gathering = _Gathering(wanted, sources, count, window_tokens or budget_tokens)
    gathered = await gathering.gathered(budget_tokens)
    return await searched(gathered, wanted, question, sources) if question else gathered


async def searched(
    gathered: Gathered, wanted: Wanted, question: str, sources: Sources, known: Sequence[Segment] = ()
) -> Gathered:
    """The same with what is found for a question, in front of the selection; ``known`` is in the prompt."""
    if not gathered.search_tokens or wanted.root is None:
        return gathered
    present = (*known, *gathered.base, *gathered.tail)
    library = sources.library(wanted.root)
    looked = await library.retrieve(question, gathered.search_tokens, sources.size, present)
    chunks = _Safe(wanted.root)
    found = chunks.all(looked.segments)
    selected = [part for part in gathered.tail if part.kind is Kind.SELECTION]
    others = [part for part in gathered.tail if part.kind is not Kind.SELECTION]
    said = (*gathered.notes, *looked.notes, *chunks.notes)
    return attrs.evolve(gathered, tail=(*others, *found, *selected), notes=tuple(dict.fromkeys(said)))


@attrs.define
class _Safe:
    """Lets segments leave without keys, and collects what is said of them."""

    root: Path | None
    notes: list[str] = attrs.field(factory=list[str])

    def all(self, segments: Iterable[Segment]) -> tuple[Segment, ...]:
        found = [safe(segment, self.root) for segment in segments]
        self.notes += [one.notice for one in found if one.notice]
        return tuple(one.segment for one in found)


@attrs.define
class _Gathering:
    """One gathering: what was found so far, and what is to be said of it."""

    wanted: Wanted
    sources: Sources
    count: CountTokens
    window_tokens: int
    notes: list[str] = attrs.field(factory=list[str])

    async def gathered(self, budget_tokens: int) -> Gathered:
        wanted = self.wanted
        if wanted.root is None and (wanted.project or wanted.map or wanted.retrieval):
            raise Unreadable(
                "There is no project: the editor has no folder open.", hint="Name files instead."
            )
        named, told, before = await asyncio.to_thread(self._read)
        left = budget_tokens - await self._tokens((*named, *told, *before))
        related = await self._related(min(left, self._share(RELATED_SHARE)))
        left -= await self._tokens(related)
        project, needs_more = await self._project((*before, *named), left)
        left -= await self._tokens(project)
        mapped = await self._map(left) if wanted.map or needs_more else ()
        left -= await self._tokens(mapped)
        searching = wanted.retrieval or needs_more
        selected = tuple(part for part in told if part.kind is Kind.SELECTION)
        others = tuple(part for part in told if part.kind is not Kind.SELECTION)
        safe_parts = _Safe(wanted.root)
        base = safe_parts.all((*before, *mapped, *project, *named))
        tail = safe_parts.all((*others, *related, *selected))
        said = tuple(dict.fromkeys((*self.notes, *safe_parts.notes)))
        allowed = max(0, min(left, self._share(SEARCH_SHARE)))
        if searching and not allowed:
            said = (*said, "The project was not searched: the model's window is full.")
        return Gathered(base, tail, said, allowed if searching else 0)

    def _read(self) -> tuple[tuple[Segment, ...], tuple[Segment, ...], tuple[Segment, ...]]:
        """Named files, what goes into the tail by itself, and the project's notes."""
        wanted, files = self.wanted, self.sources.files
        named = self._named()
        told = [*self._git(), *self._diagnostics()]
        if wanted.selection:
            told.append(selections.segment(wanted.selection, wanted.root, files))
        before: tuple[Segment, ...] = ()
        if wanted.notes and wanted.root is not None:
            near = wanted.selection.path if wanted.selection else next(iter(wanted.paths), None)
            found = notes(wanted.root, files, near)
            self.notes += found.left_out
            names = {part.source for part in named}
            before = tuple(part for part in found.segments if part.source not in names)
        return named, tuple(told), before

    def _named(self) -> tuple[Segment, ...]:
        wanted = self.wanted
        found: list[Segment] = []
        for path in dict.fromkeys(wanted.paths):
            try:
                text = self.sources.files.read(path)
            except Unreadable as error:
                if path not in wanted.if_readable or not wanted.selection:
                    raise
                self.notes.append(f"Only the selection was sent: {error.message}")
            else:
                found.append(Segment(Kind.FILE, source(path, wanted.root), text))
        return tuple(found)

    def _git(self) -> Iterable[Segment]:
        root = self.wanted.root
        for kind in dict.fromkeys(self.wanted.git):
            if kind is Git.BLAME:
                shown = self._blame()
            elif root is None:
                raise Unreadable(
                    f"There is no project whose {kind} could be sent.", hint="Open a folder that git knows."
                )
            elif kind is Git.LOG:
                shown = git.commits(root, COMMITS)
            else:
                shown = git.diff(root) if kind is Git.DIFF else git.staged(root)
            self.notes += shown.notes
            if shown.segment is not None:
                yield shown.segment

    def _blame(self) -> git.Shown:
        selection = self.wanted.selection
        if selection is None or selection.path is None or selection.last <= selection.first:
            return git.Shown(None, ("git blame needs selected lines of a file; it was left out.",))
        text = self.sources.files.open_text(selection.path)
        return git.blame(selection.path, selection.first, selection.last, self.wanted.root, text)

    def _diagnostics(self) -> Iterable[Segment]:
        if lines := self.wanted.diagnostics:
            selection = self.wanted.selection
            path = selection.path if selection else next(iter(self.wanted.paths), None)
            name = source(path, self.wanted.root) if path else "here"
            yield Segment(Kind.DIAGNOSTICS, name, "".join(f"{line}\n" for line in lines))

    async def _related(self, allowance_tokens: int) -> tuple[Segment, ...]:
        wanted = self.wanted
        if not wanted.related:
            return ()
        if wanted.selection is None or wanted.root is None:
            self.notes.append("What is related is found for selected lines of a project; it was left out.")
            return ()
        library = self.sources.library(wanted.root)
        return self._noted(await library.related(wanted.selection, allowance_tokens, self.sources.size))

    async def _map(self, left_tokens: int) -> tuple[Segment, ...]:
        allowance = min(left_tokens, self._share(MAP_SHARE))
        if self.wanted.root is None or allowance <= 0:
            self.notes.append("There is no map of the project: the model's window is full.")
            return ()
        library = self.sources.library(self.wanted.root)
        return self._noted(await library.map(allowance, self.sources.size))

    async def _project(
        self, named: tuple[Segment, ...], left_tokens: int
    ) -> tuple[tuple[Segment, ...], bool]:
        """The files of the project that go whole, and whether a map and a search stand for the rest."""
        root, files, size = self.wanted.root, self.sources.files, self.sources.size
        if not self.wanted.project or root is None:
            return (), False
        project = await asyncio.to_thread(pack.read, root, files, size, self.window_tokens)
        policy = choose(project.tokens, self.window_tokens)
        if policy is Policy.WHOLE:
            fitting, said = await pack.fitting(project, self.count, left_tokens)
            self.notes += said
            names = {part.source for part in named}
            return tuple(part for part in fitting if part.source not in names), False
        self.notes.append(_chosen(project, self.window_tokens))
        return (), True

    def _noted(self, looked: Looked) -> tuple[Segment, ...]:
        self.notes += looked.notes
        return looked.segments

    def _share(self, share: float) -> int:
        return min(MOST_TOKENS, int(share * self.window_tokens))

    async def _tokens(self, segments: Sequence[Segment]) -> int:
        return await self.count("".join(part.block for part in segments)) if segments else 0


def _chosen(project: pack.Project, window_tokens: int) -> str:
    size = "more than" if project.is_cut else "about"
    return (
        f"The project has {size} {project.tokens} tokens, over {WHOLE_SHARE:.0%} of the window of"
        f" {window_tokens}: its map, named files and what a search for the question finds are sent instead."
    )
