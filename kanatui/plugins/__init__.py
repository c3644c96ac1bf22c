"""What a plugin can give, the hooks, how plugins are found, and which may run."""
