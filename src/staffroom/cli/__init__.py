"""The command line: parses, calls the pipeline, renders; with the console the only code that prints.

Nothing heavy is imported before a command runs, so that `staffroom --help` answers at once. See `design/cli.md`.
"""

from staffroom.cli.entry import main, run

__all__ = ["main", "run"]
