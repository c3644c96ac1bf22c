"""Kana and other characters: sets, look-alikes and names."""
