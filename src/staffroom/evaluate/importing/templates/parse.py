"""The parser of templates: a subset of Jinja 3.1, by recursive descent with bounded depth.

Precedence as in Jinja: inline if, or, and, not, comparison, + -, ~, * / // %, sign, then attributes, subscripts, calls,
filters and tests. What is not in the subset is refused by its name.
"""

import collections.abc

from staffroom.evaluate.importing.templates.nodes import (
    Attribute,
    Binary,
    Call,
    Choice,
    Comparison,
    Conditional,
    Constant,
    Expression,
    Filter,
    Listing,
    Logic,
    Loop,
    Mapping,
    Name,
    Output,
    Setting,
    Slice,
    Statement,
    Subscript,
    Test,
    Text,
    Unary,
)
from staffroom.evaluate.importing.templates.tokens import TemplateFault, Token, tokens_of

__all__ = ["parse_template"]

_MAX_DEPTH = 40
_MAX_DIGITS = 300
_CONSTANTS: collections.abc.Mapping[str, bool | None] = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "none": None,
    "None": None,
}
_COMPARED = frozenset({"==", "!=", "<", "<=", ">", ">="})
_RESERVED = frozenset({"if", "else", "elif", "for", "in", "is", "and", "or", "not", "recursive"})
_END = Token("end", "", 0)


def parse_template(source: str) -> tuple[Statement, ...]:
    """Return the statements of a template; raises TemplateFault naming the line."""
    parser = _Parser(tokens_of(source))
    return parser.body(())


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0
        self._loops = 0

    def body(self, ends: tuple[str, ...]) -> tuple[Statement, ...]:
        """Parse statements up to one of the words that end the block, which stays to be read."""
        self._deeper()
        statements: list[Statement] = []
        while self._place < len(self._tokens):
            token = self._next()
            if token.kind == "text":
                statements.append(Text(token.text))
            elif token.text == "{{":
                statements.append(Output(self._expression_or_tuple()))
                self._close()
            else:
                word = self._peek()
                if word.text in ends:
                    self._depth -= 1
                    return tuple(statements)
                statements.append(self._statement())
        if ends:
            raise TemplateFault(f"`{{% {ends[-1]} %}}` is missing")
        self._depth -= 1
        return tuple(statements)

    def _statement(self) -> Statement:
        word = self._next()
        if word.text == "if":
            return self._conditional()
        if word.text == "for":
            return self._loop()
        if word.text == "set":
            return self._setting()
        raise TemplateFault(f"line {word.line}: `{{% {word.text} %}}` is not supported (if, for and set are)")

    def _conditional(self) -> Conditional:
        branches = [(self._condition(), self.body(("elif", "else", "endif")))]
        other: tuple[Statement, ...] = ()
        while (word := self._next()).text == "elif":
            branches.append((self._condition(), self.body(("elif", "else", "endif"))))
        if word.text == "else":
            self._close()
            other = self.body(("endif",))
            self._next()
        self._close()
        return Conditional(tuple(branches), other)

    def _condition(self) -> Expression:
        value = self._expression_or_tuple(inline_if=False)
        self._close()
        return value

    def _loop(self) -> Loop:
        names = [self._new_name()]
        while self._take(","):
            names.append(self._new_name())
        self._need("in")
        values = self._expression_or_tuple(inline_if=False)
        condition = self._expression() if self._take("if") else None
        if self._peek().text == "recursive":
            raise TemplateFault(f"line {self._peek().line}: recursive loops are not supported")
        self._close()
        self._loops += 1
        body = self.body(("else", "endfor"))
        other: tuple[Statement, ...] = ()
        if self._next().text == "else":
            self._close()
            other = self.body(("endfor",))
            self._next()
        self._loops -= 1
        self._close()
        return Loop(tuple(names), values, condition, body, other)

    def _setting(self) -> Setting:
        line = self._peek().line
        name = self._new_name()
        if not self._take("="):
            raise TemplateFault(f"line {line}: only `{{% set name = value %}}` is supported")
        if self._loops:
            raise TemplateFault(f"line {line}: `set` inside `for` is not supported")
        value = self._expression_or_tuple()
        self._close()
        return Setting(name, value)

    def _new_name(self) -> str:
        token = self._next()
        if token.kind != "name" or token.text in _RESERVED or token.text in _CONSTANTS:
            raise TemplateFault(f"line {token.line}: `{token.text}` cannot be a name")
        return token.text

    def _expression_or_tuple(self, *, inline_if: bool = True) -> Expression:
        parse = self._expression if inline_if else self._or
        first = parse()
        if self._peek().text != ",":
            return first
        items = [first]
        while self._take(",") and self._peek().kind != "end":
            items.append(parse())
        return Listing(tuple(items), fixed=True)

    def _expression(self) -> Expression:
        self._deeper()
        value = self._or()
        while self._take("if"):
            condition = self._or()
            other = self._expression() if self._take("else") else None
            value = Choice(condition, value, other)
        self._depth -= 1
        return value

    def _or(self) -> Expression:
        value = self._and()
        while self._take("or"):
            value = Logic("or", value, self._and())
        return value

    def _and(self) -> Expression:
        value = self._not()
        while self._take("and"):
            value = Logic("and", value, self._not())
        return value

    def _not(self) -> Expression:
        self._deeper()
        value = Unary("not", self._not()) if self._take("not") else self._compare()
        self._depth -= 1
        return value

    def _compare(self) -> Expression:
        first = self._sum()
        rest: list[tuple[str, Expression]] = []
        while True:
            token = self._peek()
            if token.kind == "sign" and token.text in _COMPARED:
                self._place += 1
                rest.append((token.text, self._sum()))
            elif self._take("in"):
                rest.append(("in", self._sum()))
            elif token.text == "not" and token.kind == "name" and self._peek(1).text == "in":
                self._place += 2
                rest.append(("not in", self._sum()))
            else:
                return Comparison(first, tuple(rest)) if rest else first

    def _sum(self) -> Expression:
        value = self._joined()
        while (token := self._peek()).kind == "sign" and token.text in ("+", "-"):
            self._place += 1
            value = Binary(token.text, value, self._joined())
        return value

    def _joined(self) -> Expression:
        value = self._product()
        while self._take("~"):
            value = Binary("~", value, self._product())
        return value

    def _product(self) -> Expression:
        value = self._signed()
        while (token := self._peek()).kind == "sign" and token.text in ("*", "/", "//", "%"):
            self._place += 1
            value = Binary(token.text, value, self._signed())
        if self._peek().text == "**":
            raise TemplateFault(f"line {self._peek().line}: `**` is not supported")
        return value

    def _signed(self, *, filters: bool = True) -> Expression:
        self._deeper()
        token = self._peek()
        if token.kind == "sign" and token.text in ("-", "+"):
            self._place += 1
            value: Expression = Unary(token.text, self._signed(filters=False))
        else:
            value = self._primary()
        value = self._postfix(value)
        if filters:
            value = self._filtered(value)
        self._depth -= 1
        return value

    def _primary(self) -> Expression:
        token = self._next()
        if token.kind == "name":
            if token.text in _CONSTANTS:
                return Constant(_CONSTANTS[token.text])
            if token.text in _RESERVED:
                raise TemplateFault(f"line {token.line}: `{token.text}` is out of place")
            return Name(token.text)
        if token.kind == "integer":
            if len(token.text) > _MAX_DIGITS:
                raise TemplateFault(f"line {token.line}: a number of more than {_MAX_DIGITS} digits")
            return Constant(int(token.text))
        if token.kind == "float":
            return Constant(float(token.text))
        if token.kind == "string":
            text = _unquoted(token)
            while self._peek().kind == "string":
                text += _unquoted(self._next())
            return Constant(text)
        if token.kind == "sign" and token.text in ("(", "[", "{"):
            return {"(": self._parenthesis, "[": self._list, "{": self._mapping}[token.text]()
        raise TemplateFault(f"line {token.line}: a value is expected, not `{token.text or 'the end'}`")

    def _parenthesis(self) -> Expression:
        if self._take(")"):
            return Listing((), fixed=True)
        value = self._expression()
        if self._take(")"):
            return value
        items = [value]
        while self._take(",") and self._peek().text != ")":
            items.append(self._expression())
        self._need(")")
        return Listing(tuple(items), fixed=True)

    def _list(self) -> Expression:
        items: list[Expression] = []
        while not self._take("]"):
            if items:
                self._need(",")
                if self._take("]"):
                    break
            items.append(self._expression())
        return Listing(tuple(items))

    def _mapping(self) -> Expression:
        items: list[tuple[Expression, Expression]] = []
        while not self._take("}"):
            if items:
                self._need(",")
                if self._take("}"):
                    break
            key = self._expression()
            self._need(":")
            items.append((key, self._expression()))
        return Mapping(tuple(items))

    def _postfix(self, value: Expression) -> Expression:
        while True:
            if self._take("."):
                token = self._next()
                if token.kind == "name":
                    value = Attribute(value, token.text)
                elif token.kind == "integer" and len(token.text) <= _MAX_DIGITS:
                    value = Subscript(value, Constant(int(token.text)))
                else:
                    raise TemplateFault(f"line {token.line}: a name is expected after `.`")
            elif self._take("["):
                value = Subscript(value, self._key())
            elif self._take("("):
                value = Call(value, self._arguments())
            else:
                return value

    def _key(self) -> Expression | Slice:
        if self._peek().text != ":":
            key = self._expression()
            if self._take("]"):
                return key
            if self._peek().text == ",":
                raise TemplateFault(f"line {self._peek().line}: one subscript at a time")
        else:
            key = None
        self._need(":")
        stop = None if self._peek().text in (":", "]") else self._expression()
        step = None
        if self._take(":"):
            step = None if self._peek().text == "]" else self._expression()
        self._need("]")
        return Slice(key, stop, step)

    def _arguments(self) -> tuple[Expression, ...]:
        positional, named = self._all_arguments()
        if named:
            raise TemplateFault(f"`{named[0][0]}=` is not supported in a call")
        return positional

    def _all_arguments(self) -> tuple[tuple[Expression, ...], tuple[tuple[str, Expression], ...]]:
        positional: list[Expression] = []
        named: list[tuple[str, Expression]] = []
        while not self._take(")"):
            if positional or named:
                self._need(",")
                if self._take(")"):
                    break
            if self._peek().kind == "name" and self._peek(1).text == "=":
                name = self._new_name()
                self._need("=")
                named.append((name, self._expression()))
            elif named or self._peek().text == "*":
                raise TemplateFault(f"line {self._peek().line}: these arguments are not supported")
            else:
                positional.append(self._expression())
        return tuple(positional), tuple(named)

    def _filtered(self, value: Expression) -> Expression:
        while True:
            if self._take("|"):
                name = self._new_name()
                positional: tuple[Expression, ...] = ()
                named: tuple[tuple[str, Expression], ...] = ()
                if self._take("("):
                    positional, named = self._all_arguments()
                value = Filter(value, name, positional, named)
            elif self._peek().text == "is" and self._peek().kind == "name":
                self._place += 1
                negated = self._take("not")
                token = self._next()
                after = self._peek()
                begins = after.kind in ("name", "string", "integer", "float") or after.text in ("(", "[", "{")
                if begins and after.text not in ("else", "or", "and"):
                    raise TemplateFault(f"line {token.line}: a test with an argument is not supported")
                value = Test(value, token.text, negated)
            else:
                return value

    def _take(self, text: str) -> bool:
        token = self._peek()
        if token.text == text and token.kind in ("name", "sign"):
            self._place += 1
            return True
        return False

    def _need(self, text: str) -> None:
        token = self._peek()
        if not self._take(text):
            raise TemplateFault(f"line {token.line}: `{text}` is expected, not `{token.text or 'the end'}`")

    def _close(self) -> None:
        token = self._next()
        if token.kind != "end":
            raise TemplateFault(f"line {token.line}: `{token.text}` is out of place")

    def _peek(self, ahead: int = 0) -> Token:
        place = self._place + ahead
        return self._tokens[place] if place < len(self._tokens) else _END

    def _next(self) -> Token:
        token = self._peek()
        self._place += 1
        return token

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH * 3:
            raise TemplateFault(f"more than {_MAX_DEPTH} levels of nesting")


def _unquoted(token: Token) -> str:
    try:
        # As Jinja reads its strings: escapes as in Python, other characters as they are.
        return token.text[1:-1].encode("ascii", "backslashreplace").decode("unicode-escape")
    except UnicodeDecodeError as error:
        raise TemplateFault(f"line {token.line}: the string {token.text[:20]} has a bad escape") from error
