"""Training a model in a process of its own, watched and steered through files."""
