"""Real editors: each starts with a home of its own, and with Kvasir's server behind a logger of the wire."""
