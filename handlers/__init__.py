"""One file per LSP surface: translate the request, delegate to ``sessions``, show what comes back."""
