"""What a command speaks through: results on stdout, everything else on stderr, in the user's language.

With `--json` exactly one JSON object goes to stdout. Consoles never interpret markup, because names of documents and
answers of models may contain brackets.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import typer

from staffroom.cli.language import Words

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from staffroom.store import Home

__all__ = ["JsonFlag", "Terminal", "home_of", "terminal_of"]

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

_PLAIN_WIDTH = 110


@dataclass(frozen=True)
class Terminal:
    """One command's surroundings: the words, the environment, and whether it speaks JSON."""

    t: Words
    environment: Mapping[str, str] = field(default_factory=dict)
    as_json: bool = False

    @cached_property
    def out(self) -> "Console":
        """The console on stdout."""
        return _console(stderr=False)

    @cached_property
    def err(self) -> "Console":
        """The console on stderr."""
        return _console(stderr=True)

    @property
    def asks(self) -> bool:
        """Whether a person can be asked: input and stderr are a terminal."""
        return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()

    def give(self, value: Mapping[str, Any], render: Callable[[], None]) -> None:
        """Give a result: the JSON object, or what `render` draws."""
        if self.as_json:
            self.print_json(value)
        else:
            render()

    def print_json(self, value: Mapping[str, Any]) -> None:
        """Print one JSON object on stdout."""
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def write(self, text: str) -> None:
        """Write text on stdout as it is, such as a checkpoint or a proof."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def line(self, text: str = "", style: str = "") -> None:
        """Print a line on stdout; it is never broken where stdout is a file."""
        self.out.print(text, style=style or None, soft_wrap=not self.out.is_terminal)

    def show(self, drawn: "RenderableType") -> None:
        """Print a table or another drawing on stdout."""
        self.out.print(drawn)

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print rows of texts under their heads on stdout; what is too long goes on below."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for head in heads:
            table.add_column(head, overflow="fold")
        for row in rows:
            table.add_row(*row)
        self.show(table)

    def note(self, text: str, style: str = "") -> None:
        """Print a line on stderr."""
        self.err.print(text, style=style or None, soft_wrap=not self.err.is_terminal)


def terminal_of(context: typer.Context, as_json: bool) -> Terminal:
    """Return the terminal of a running command."""
    given = context.find_root().obj
    return Terminal(given.t, given.environment, as_json)


def home_of(terminal: Terminal) -> "Home":
    """Return the home that the environment names; nothing is created."""
    from staffroom.store import Home

    return Home.located(terminal.environment)


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            # Rich would end the process with status 1, which means "rejected" here.
            raise BrokenPipeError

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PLAIN_WIDTH
    return Quiet(stderr=stderr, markup=False, highlight=False, emoji=False, width=width)
