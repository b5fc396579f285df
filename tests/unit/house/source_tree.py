"""The repository's own files, as the house tests see them."""

import ast
import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "src" / "staffroom"


@dataclass(frozen=True)
class Module:
    """A parsed source file; `name` is its path from the repository root."""

    name: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def _parsed(folder: Path) -> Iterator[Module]:
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        yield Module(str(path.relative_to(ROOT)), text, ast.parse(text, str(path)))


@cache
def product_modules() -> tuple[Module, ...]:
    """Every module of the package."""
    return tuple(_parsed(PACKAGE))


@cache
def other_modules() -> tuple[Module, ...]:
    """Tests, benchmarks, examples and the scripts of the docs."""
    folders = ("tests", "benchmarks", "examples", "docs")
    return tuple(module for folder in folders for module in _parsed(ROOT / folder))


@cache
def kept_files() -> tuple[Path, ...]:
    """Every file that .gitignore does not leave out."""
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line]

    def kept(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.name == ".git" or any(fnmatch.fnmatch(path.name, pattern) for pattern in ignored):
                continue
            if path.is_dir():
                yield from kept(path)
            else:
                yield path

    return tuple(kept(ROOT))


def listed(findings: list[str]) -> str:
    """The findings, one a line, for the text of an assertion."""
    return f"{len(findings)} findings\n" + "\n".join(findings)
