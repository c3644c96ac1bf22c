"""`python -m kanatui` is the same as `kanatui`."""

import sys

if __name__ == "__main__":  # workers that are spawned import this module again
    if not sys.flags.safe_path:
        del sys.path[0]  # the current folder, which workers would take over (processes.spawning)
    from kanatui.cli import main

    main()
