"""The texts of the report that its catalogue must translate."""

import ast
from collections.abc import Iterator
from pathlib import Path

__all__ = ["report_texts"]

FOLDER = Path(__file__).parents[3] / "src" / "staffroom" / "cli" / "report"
_NOT_SAID = {"_TAGS", "_OWN_NAMES", "_STATES", "_TASK_STATES", "_MARKS"}


def report_texts() -> set[str]:
    """Every literal that is said through `t(...)` or `t.rich(...)`, and every word of a table of words."""
    return {
        text for path in FOLDER.glob("*.py") for text in _texts(ast.parse(path.read_text(encoding="utf-8")))
    }


def _texts(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and _called(node) in ("t", "rich"):
            yield from _literals(node.args[0])
        # A section: its anchor, its title and what writes it.
        if isinstance(node, ast.Tuple) and len(node.elts) == 3 and isinstance(node.elts[2], ast.Name):
            yield from _literals(node.elts[1])
    for statement in tree.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            if statement.target.id not in _NOT_SAID and isinstance(statement.value, ast.Dict):
                for value in statement.value.values:
                    yield from _literals(value)
            elif statement.target.id == "LIMITS" and isinstance(statement.value, ast.Tuple):
                for pair in statement.value.elts:
                    assert isinstance(pair, ast.Tuple)
                    for part in pair.elts:
                        yield from _literals(part)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _literals(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body)
        yield from _literals(node.orelse)
