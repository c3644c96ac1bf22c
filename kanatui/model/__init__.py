"""Weights files, their cards, and the model that ships."""
