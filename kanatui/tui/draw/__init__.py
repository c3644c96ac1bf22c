"""The Draw screen: draw a character, see how a model reads it, and collect labelled samples."""
