"""A chat as Markdown and back: ``marks`` has the grammar, ``markdown`` writes, ``parser`` reads.

``edits`` lets an open document follow its chat, ``changes`` tells where a person changed it.
"""
