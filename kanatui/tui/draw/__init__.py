"""The Draw screen."""
