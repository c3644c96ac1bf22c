"""`python -m kanatui` is the same as `kanatui`."""

if __name__ == "__main__":  # workers that are spawned import this module again
    from kanatui.cli import main

    main()
