"""``kvasir.ask``, ``kvasir.warmup``, ``kvasir.retry``, ``kvasir.cancel`` and ``kvasir.context``."""

import attrs

from handlers.answering import Reply, begin
from handlers.arguments import Arguments, View
from handlers.desk import Desk
from handlers.documents import chat_meant, path_given, remove_turn
from handlers.questions import question, with_names
from sessions.errors import NotFound
from sessions.preview import preview


async def ask(desk: Desk, given: Arguments) -> Reply:
    """Ask a question; the answer streams into the chat document while the job is returned."""
    given = await with_names(desk, given)
    asked = question(desk, given)
    if not given.question and given.preset is None and given.warms_first:
        return await warmup(desk, given)
    desk.warmups.asked()
    asking = await desk.sessions.ask(asked)
    if desk.focus is not None:
        # Asked about once: the next bare question goes on with the chat instead.
        desk.focus = attrs.evolve(desk.focus, lines=None)
    return await begin(desk, asking, show=given.view is not View.NONE)


async def warmup(desk: Desk, given: Arguments) -> Reply:
    """Evaluate what the question would begin with, before it is asked."""
    job = desk.warmups.now(question(desk, await with_names(desk, given)))
    return {"v": 1, "ok": True, "job": job.id, "state": "warming", "mode": desk.editor.mode}


async def retry(desk: Desk, given: Arguments) -> Reply:
    """Ask a turn's question again; the other answer is kept."""
    chat, turn = chat_meant(desk, given)
    asking = await desk.sessions.retry(chat.id, turn, given.model)
    if asking.chat.id == chat.id:
        # There was no answer, so the question is asked again in its place.
        await remove_turn(desk, chat, chat.turns[len(asking.chat.turns) - 1].id)
    return await begin(desk, asking, show=given.view is not View.NONE)


async def cancel(desk: Desk, given: Arguments) -> Reply:
    """Stop a job, the jobs of a chat, or all of this editor; what was answered is kept."""
    jobs = [desk.jobs.get(given.job)] if given.job else desk.jobs.all()
    if given.session:
        jobs = [job for job in jobs if job.chat == given.session]
    elif not given.job and (path := path_given(desk, given)) is not None:
        jobs = [job for job in jobs if job.path == path] or jobs
    if not jobs:
        raise NotFound("Nothing is running that could be stopped.")
    for job in jobs:
        job.stop()
    return {"v": 1, "ok": True, "stopped": [job.id for job in jobs]}


async def context(desk: Desk, given: Arguments) -> Reply:
    """What would be sent: a dry run with the text and the tokens of each source."""
    shown = await preview(desk.sessions, question(desk, await with_names(desk, given)))
    sources = ", ".join(f"{each.segment.source} {each.tokens}" for each in shown.segments) or "nothing new"
    desk.editor.message(f"{shown.tokens} of {shown.window} tokens: {sources}")
    return {"v": 1, "ok": True, **shown.as_json()}
