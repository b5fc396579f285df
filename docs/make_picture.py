"""Draw the end of a real hire as a picture for the README.

Usage: staffroom hire JOB.yaml --yes --json > result.json; python docs/make_picture.py result.json docs/images/hire.svg
"""

import io
import json
import re
import sys
from pathlib import Path

from rich.console import Console

from staffroom.cli.hire_view import show_result
from staffroom.cli.language import words_of
from staffroom.cli.terminal import Terminal

WIDTH = 118


def main(arguments: list[str]) -> int:
    """Read the object that `hire --json` printed and write an SVG; returns 2 on wrong use."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    value = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    value["unchanged"] = False  # the picture shows the run that made the result, not the one that repeats it
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, markup=False, highlight=False
    )
    terminal = Terminal(words_of("en"))
    terminal.__dict__["out"] = console  # a cached property: the picture takes the place of stdout
    show_result(terminal, value)
    target = Path(arguments[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    drawn = console.export_svg(title="make hire")
    # The picture asks nobody for a font: whoever looks at it need not be seen doing so.
    target.write_text(re.sub(r"@font-face\s*\{.*?\}", "", drawn, flags=re.DOTALL), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
