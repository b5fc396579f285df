"""E-mail addresses as people have them: unquoted, with a domain of letters (RFC 5321's lengths)."""

import re
from collections.abc import Iterator

from staffroom.text.personal.kinds import Span

__all__ = ["find_emails"]

# Read from the @ backwards.
_LOCAL = re.compile(r"[A-Za-z0-9_+-](?:[A-Za-z0-9._%+'-]{0,62}[A-Za-z0-9])?")
_DOMAIN = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)


def find_emails(text: str) -> Iterator[Span]:
    """Yield the e-mail addresses of a folded text."""
    at = text.find("@")
    while at >= 0:
        local = _LOCAL.match(text[max(0, at - 64) : at][::-1])
        domain = _DOMAIN.match(text, at + 1)
        if local and domain:
            start = at - local.end()
            yield Span(start, domain.end(), text[start : domain.end()].casefold())
        at = text.find("@", at + 1)
