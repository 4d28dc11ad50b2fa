"""Modes: what kind of answer is wanted. A mode is a tail segment, so choosing one never moves the prefix."""

from context.segment import Kind, Segment
from sessions.errors import BadRequest

INSTRUCTIONS = {
    "explain": "Explain what this does and why it is done this way, from the whole to the details.",
    "review": "Review this as a careful colleague: bugs first, then what is unclear, each with its line.",
    "fix": "Find what is wrong here and show the corrected code, with one sentence on each change.",
    "tests": "Write tests for this in the style of the project: the usual case, the edges, the errors.",
    "document": "Write the documentation of this: purpose, arguments with units, results, errors.",
    "brainstorm": "Offer several ways to go on from here, each with its price, before you prefer one.",
    "tutor": "Teach: lead to the answer in small steps, ask one question at a time, and do not give it away.",
    "refactor": "Show how to make this simpler without changing what it does, step by step.",
}

QUESTIONS = {
    "explain": "Explain this.",
    "review": "Review this.",
    "fix": "Fix this.",
    "tests": "Write tests for this.",
    "document": "Document this.",
    "brainstorm": "What could be done here?",
    "tutor": "Help me understand this.",
    "refactor": "How can this be simplified?",
}
"""What is asked when a mode is chosen without a question."""


def instruction(mode: str) -> Segment:
    """The tail segment of a mode; ``BadRequest`` when there is no such mode."""
    if mode not in INSTRUCTIONS:
        raise BadRequest(f"There is no mode {mode!r}; choose one of {', '.join(INSTRUCTIONS)}.")
    return Segment(Kind.MODE, mode, INSTRUCTIONS[mode])
