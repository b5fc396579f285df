"""`python -m staffroom`: the command line without the installed script."""

from staffroom.cli import main

if __name__ == "__main__":
    main()
