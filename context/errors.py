"""The root of every error that a person is told in one sentence, and the errors of reading context."""


class KvasirError(Exception):
    """Something to be told in one sentence that says what to do.

    ``code`` is stable for programs (``error.data.code`` on the wire); ``hint`` is a possible next step.
    """

    code = "failed"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class Unreadable(KvasirError):
    """A file or range that was asked for cannot be part of the prompt."""

    code = "unreadable"
