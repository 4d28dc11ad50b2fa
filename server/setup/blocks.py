"""A marked block in a person's text file: put in at the end, found again, taken out to the last byte."""

import re


def marks(leader: str, name: str) -> tuple[str, str]:
    """First and last line of the block of an editor; ``leader`` begins a comment."""
    return (
        f'{leader} >>> kvasir setup {name} (taken out again by "kvasir setup {name} --remove")',
        f"{leader} <<< kvasir setup {name}",
    )


def with_block(text: str | None, leader: str, name: str, body: str) -> str:
    """The text with the block at its end. ``None`` is a file that is not there yet."""
    first, last = marks(leader, name)
    block = f"{first}\n{body.rstrip()}\n{last}\n"
    if text is None:
        return block
    # An empty line between theirs and ours, or the newline that their last line lacks: one is taken back.
    block = f"\n{block}"
    return text + (block.replace("\n", "\r\n") if "\r\n" in text else block)


def without_block(text: str | None, leader: str, name: str) -> str | None:
    """The text as it was before ``with_block``; ``None`` if the file was made for the block."""
    if text is None:
        return None
    first, last = marks(leader, name)
    found = re.search(
        rf"(?P<before>(?P<end>\r?\n)?){re.escape(first)}(?P<eol>\r?\n).*?{re.escape(last)}(?:\r?\n|\Z)",
        text,
        re.DOTALL,
    )
    if not found:
        return text
    start = found.start() if found["end"] in (None, found["eol"]) else found.start() + 1
    rest = text[:start] + text[found.end() :]
    return None if not rest and found.start("before") == 0 and found["before"] == "" else rest
