"""Faces, what they can draw, master glyphs, and ImageMagick."""
