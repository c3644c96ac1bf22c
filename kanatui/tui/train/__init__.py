"""The Train screen: runs, a live view of one, and the form for a new one."""
