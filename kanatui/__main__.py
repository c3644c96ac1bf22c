"""`python -m kanatui` is the same as `kanatui`."""

from kanatui.cli import main

if __name__ == "__main__":  # workers that are spawned import this module again
    main()
