"""Weights, the card that tells what they are, and the model that ships."""
