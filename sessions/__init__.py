"""Chats and the models that hold them: the road from a question to a stored answer."""
