"""From a workspace to segments: what the model is shown. Knows neither LSP nor models."""
