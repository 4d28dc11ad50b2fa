"""A model that says a given text at once: for answers longer and faster than the demo model's."""

import asyncio
import contextlib
import threading
from collections.abc import Generator, Iterator

from tests.editors.drivers.waiting import PATIENCE_S
from tests.fakes.llama_server import delta, fake_server, finished, stream

PIECE_CHARACTERS = 40


@contextlib.contextmanager
def talker(text: str, *, hangs: bool = False) -> Generator[str]:
    """Run it beside the test; yields its URL. With ``hangs`` it never comes to the end of its answer."""
    pieces = [delta(piece) for piece in _cut(text)]
    with contextlib.ExitStack() as ending:
        loop = asyncio.new_event_loop()
        ending.callback(loop.close)
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        ending.callback(thread.join)
        ending.callback(loop.call_soon_threadsafe, loop.stop)
        serving = fake_server()
        fake = asyncio.run_coroutine_threadsafe(serving.__aenter__(), loop).result(PATIENCE_S)
        try:
            fake.script["/v1/chat/completions"] = [
                stream(*pieces, *([] if hangs else [finished()]), hangs=hangs)
            ]
            yield fake.url
        finally:
            asyncio.run_coroutine_threadsafe(serving.__aexit__(None, None, None), loop).result(PATIENCE_S)


def _cut(text: str) -> Iterator[str]:
    for start in range(0, len(text), PIECE_CHARACTERS):
        yield text[start : start + PIECE_CHARACTERS]
