"""Work that needs torch, in a process of its own, so that the app's event loop never waits for it.

:mod:`.client` is what the app imports (no torch); :mod:`.server` is the process; :mod:`.jobs` is what it can do.
"""
