"""Runs where Jinja is installed: fills in templates with rows as lm-eval does, for comparing.

Usage: python jinja_side.py CASES.json OUT.json

CASES.json: a list of [template, row]. OUT.json: what Jinja wrote for each, or null where it failed, and its version.
"""

import json
import re
import sys
from pathlib import Path

import jinja2


def main(arguments):
    """Fill in all cases."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters["regex_replace"] = lambda text, pattern, to, count=0: re.sub(
        pattern, to, text, count=count
    )
    written = []
    for template, row in json.loads(Path(arguments[0]).read_text(encoding="utf-8")):
        try:
            written.append(environment.from_string(template).render(**row))
        except (jinja2.TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            written.append(None)
    value = {"jinja2": jinja2.__version__, "written": written}
    Path(arguments[1]).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
