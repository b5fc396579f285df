"""The lexer of templates: text, and the names, numbers, strings and signs inside `{{ }}` and `{% %}`.

The language is Jinja's as lm-eval sets it up: default marks, `-` beside a mark strips blanks, nothing else does.
"""

import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

__all__ = ["TemplateFault", "Token", "tokens_of"]

MAX_CHARS = 100_000
_MAX_TOKENS = 20_000
_OPENING = re.compile(r"\{[{%#][-+]?")
_NEWLINE = re.compile(r"\r\n|\r")
_BLANK = re.compile(r"\s+")
_FLOAT = re.compile(r"(?<!\.)\d+(?:(?:\.\d+)?[eE][+-]?\d+|\.\d+)")
_INTEGER = re.compile(r"0+(?!\d)|[1-9]\d*")
_NAME = re.compile(r"\w+")
_STRING = re.compile(r"'[^'\\]*(?:\\.[^'\\]*)*'|\"[^\"\\]*(?:\\.[^\"\\]*)*\"", re.DOTALL)
_SIGN = re.compile(r"//|\*\*|==|!=|>=|<=|[-+/*%~\[\](){}<>=.:|,]")
_CLOSES: Mapping[str, re.Pattern[str]] = {
    "{{": re.compile(r"-\}\}\s*|\}\}"),
    "{%": re.compile(r"-%\}\s*|\+?%\}"),
}
_COMMENT_END = re.compile(r"-#\}\s*|\+?#\}")
_PAIRS: Mapping[str, str] = {")": "(", "]": "[", "}": "{"}


class TemplateFault(Exception):
    """A template that is malformed, asks for what is not supported, or fails on a row."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a template; kind: text, begin, end, name, integer, float, string or sign.

    A begin's text is `{{` or `{%`; a text's is what is written out.
    """

    kind: str
    text: str
    line: int


def tokens_of(source: str) -> list[Token]:
    """Return the tokens of a template; raises TemplateFault."""
    if len(source) > MAX_CHARS:
        raise TemplateFault(f"a template longer than {MAX_CHARS} characters")
    found: list[Token] = []
    for token in _scan(_NEWLINE.sub("\n", source)):
        found.append(token)
        if len(found) > _MAX_TOKENS:
            raise TemplateFault(f"a template of more than {_MAX_TOKENS} pieces")
    return found


def _scan(source: str) -> Iterator[Token]:
    place = 0
    while place < len(source):
        opening = _OPENING.search(source, place)
        end = opening.start() if opening else len(source)
        text = source[place:end]
        if opening and opening[0].endswith("-"):
            text = text.rstrip()
        if text:
            yield Token("text", text, _line(source, place))
        if not opening:
            return
        mark = opening[0][:2]
        place = opening.end()
        if mark == "{#":
            closing = _COMMENT_END.search(source, place)
            if closing is None:
                raise TemplateFault(f"line {_line(source, place)}: a comment without end")
            place = closing.end()
            continue
        yield Token("begin", mark, _line(source, place))
        place = yield from _inside(source, place, mark)


def _inside(source: str, place: int, mark: str) -> Generator[Token, None, int]:
    open_signs: list[str] = []
    while place < len(source):
        line = _line(source, place)
        if not open_signs and (closing := _CLOSES[mark].match(source, place)):
            yield Token("end", mark, line)
            return closing.end()
        if blank := _BLANK.match(source, place):
            place = blank.end()
            continue
        token = _token(source, place, line)
        if token.kind == "sign":
            if token.text in "([{":
                open_signs.append(token.text)
            elif token.text in _PAIRS and (not open_signs or open_signs.pop() != _PAIRS[token.text]):
                raise TemplateFault(f"line {line}: a stray `{token.text}`")
        yield token
        place += len(token.text)
    raise TemplateFault(f"`{mark}` without end")


def _token(source: str, place: int, line: int) -> Token:
    for kind, pattern in (
        ("float", _FLOAT),
        ("integer", _INTEGER),
        ("name", _NAME),
        ("string", _STRING),
        ("sign", _SIGN),
    ):
        if found := pattern.match(source, place):
            if kind == "name" and not found[0].isidentifier():
                break
            return Token(kind, found[0], line)
    raise TemplateFault(f"line {line}: `{source[place : place + 10]}` is not understood")


def _line(source: str, place: int) -> int:
    return source.count("\n", 0, place) + 1
