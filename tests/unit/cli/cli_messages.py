"""The texts of the command line that a catalogue must translate."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from staffroom.cli.app import build_command
from staffroom.cli.language import Words

CLI = Path(__file__).parents[3] / "src" / "staffroom" / "cli"


def said_texts() -> set[str]:
    """Every literal that is said through `t(...)`."""
    found = set()
    for path in CLI.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "t":
                found.add(str(node.args[0].value))
    return found


def help_texts() -> set[str]:
    """Every help text of the command tree."""
    return set(_helps(build_command(Words())))


def _helps(command: Any) -> Iterator[str]:
    if command.help:
        yield command.help
    for parameter in command.params:
        if getattr(parameter, "help", None) and parameter.name != "help":
            yield parameter.help
    for inner in getattr(command, "commands", {}).values():
        yield from _helps(inner)
