"""Every error that the road can end in.

::

    KvasirError                told to the person in one sentence
    ├── Unreadable             a file or range cannot be part of the prompt
    ├── NotFound               no such chat, turn, model or job
    ├── BadRequest             the question or an argument makes no sense
    ├── StoreError             the chats on disk cannot be read or written
    └── ModelError             the model's server
        ├── ModelUnavailable   it is not there, did not start or went away
        ├── ModelRefused       it answered, but not with what the protocol promises
        └── ContextFull        the prompt does not fit its window

Anything else is a bug: logged with its traceback, shown in a line.
"""

from context.errors import KvasirError, Unreadable

__all__ = [
    "BadRequest",
    "ContextFull",
    "KvasirError",
    "ModelError",
    "ModelRefused",
    "ModelUnavailable",
    "NotFound",
    "StoreError",
    "Unreadable",
]


class NotFound(KvasirError):
    """No such chat, turn, model or job."""

    code = "not_found"


class BadRequest(KvasirError):
    """The question or an argument makes no sense."""

    code = "bad_request"


class StoreError(KvasirError):
    """The chats on disk cannot be read or written."""

    code = "store"


class ModelError(KvasirError):
    """The model's server."""

    code = "model"


class ModelUnavailable(ModelError):
    """It is not there, did not start or went away."""

    code = "no_model"


class ModelRefused(ModelError):
    """It answered, but not with what the protocol promises."""

    code = "model_refused"


class ContextFull(ModelError):
    """The prompt does not fit the window. Counts are tokens."""

    code = "context_overflow"

    def __init__(self, prompt_tokens: int, window_tokens: int) -> None:
        super().__init__(
            f"The prompt has {prompt_tokens} tokens, the model takes {window_tokens}:"
            f" {max(1, prompt_tokens - window_tokens)} too many.",
            hint="Choose fewer files, a smaller selection or a larger context. Nothing was evaluated.",
        )
        self.prompt_tokens = prompt_tokens
        self.window_tokens = window_tokens
