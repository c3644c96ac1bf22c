"""Faces, what they can draw, masters, and ImageMagick."""
