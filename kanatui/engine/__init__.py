"""Runs work that needs torch in a separate process, so that the app's event loop never waits for it.

The app imports :mod:`.client` (no torch); :mod:`.server` is the process; :mod:`.jobs` are its jobs.
"""
