"""The characters, sets of them, look-alikes, and their names."""
