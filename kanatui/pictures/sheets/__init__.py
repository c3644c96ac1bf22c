"""Sheets of paper to write characters on: their layout, printing them, and reading photos of them."""
