"""`python -m kanatui.engine NAME THREADS` serves jobs on standard input and output; only the client starts it."""

from kanatui.engine.server import main

if __name__ == "__main__":  # spawned workers import this module again
    main()
