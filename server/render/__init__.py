"""Answers on their way to the screen: four modes, one of which suits each client (``server.client``)."""
