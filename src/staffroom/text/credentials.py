"""Finding secrets in text: private-key blocks, keys and tokens of known forms, passwords with a word before them.

A key without a known form and without such a word is not found: random letters alone are also digests and identifiers.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "KEY_BLOCK_BEGIN",
    "KEY_BLOCK_END",
    "Credential",
    "CredentialKind",
    "find_credentials",
    "may_hold_credentials",
]


class CredentialKind(StrEnum):
    """What a secret is."""

    PRIVATE_KEY = "private_key"
    TOKEN = "token"
    PASSWORD = "password"


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret at `start`..`end` (characters)."""

    kind: CredentialKind
    start: int
    end: int


KEY_BLOCK_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
KEY_BLOCK_END = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"sr-[0-9a-f]{12}-[0-9a-f]{32,64}"
    r"|sk-[A-Za-z0-9_-]{20,200}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,100}"
    r"|gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255}|glpat-[A-Za-z0-9_-]{20,100}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])|AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{20,300}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,200}|hf_[A-Za-z0-9]{30,60}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,300}"
    r"|SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}|AGE-SECRET-KEY-1[0-9A-Z]{50,60}|dop_v1_[0-9a-f]{64}"
    r"|eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,1000}"
    # A long first part alone: the rest may still be on its way.
    r"|eyJ[A-Za-z0-9_-]{200,2000}"
    r")"
)
_BEARER = re.compile(r"\b[Bb]earer[ \t]+(?P<value>[A-Za-z0-9._~+/-]{20,2000}=*)")
_ASSIGNED = re.compile(
    r"(?:\bpass(?:word|wd|phrase)\b|\bpwd\b|\bsecret(?:[_ -]?key)?\b|\bapi[_ -]?key\b|\baccess[_ -]?(?:key|token)\b|密碼|金鑰|權杖|通行碼)"
    r"[\"'”]?\s{0,2}(?:[:=：＝]|is\b|是|為)\s{0,2}[\"'“「]?(?P<value>[!-~]{8,128})",
    re.IGNORECASE,
)
_IN_ADDRESS = re.compile(r"://[^\s/:@]{1,64}:(?P<value>[^\s/@]{3,64})@")
_STRONG = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])")
# In small letters: what begins a known form, and the words that stand before a password.
_MARKS = (
    "key",
    "pass",
    "secret",
    "token",
    "://",
    "earer",
    "eyj",
    "akia",
    "asia",
    "aiza",
    "ya29",
    "sg.",
    "pwd",
    "密碼",
    "金鑰",
    "權杖",
    "通行碼",
)
_DASHED = re.compile(r"[a-z0-9]{2}[-_][a-z0-9]|-----")


def may_hold_credentials(text: str) -> bool:
    """Say quickly whether a text can hold a secret at all; most sentences cannot."""
    small = text.casefold()
    for mark in _MARKS:
        if mark in small:
            return True
    return ("-" in small or "_" in small) and _DASHED.search(small) is not None


def find_credentials(text: str) -> tuple[Credential, ...]:
    """Return the secrets of a text in order; a private-key block reaches to its end or the text's."""
    if not may_hold_credentials(text):
        return ()
    found: list[Credential] = []
    begin = KEY_BLOCK_BEGIN.search(text)
    while begin is not None:
        end = KEY_BLOCK_END.search(text, begin.end())
        stop = end.end() if end else len(text)
        found.append(Credential(CredentialKind.PRIVATE_KEY, begin.start(), stop))
        begin = KEY_BLOCK_BEGIN.search(text, stop)
    for kind, pattern in (
        (CredentialKind.TOKEN, _TOKEN),
        (CredentialKind.TOKEN, _BEARER),
        (CredentialKind.PASSWORD, _IN_ADDRESS),
        (CredentialKind.PASSWORD, _ASSIGNED),
    ):
        for match in pattern.finditer(text):
            group = "value" if pattern.groups else 0
            start, stop = match.span(group)
            if pattern is _ASSIGNED:
                stop = start + len(match[group].rstrip("\"'.,;:)]}"))
                if stop - start < 8 or not _STRONG.match(match[group]):
                    continue
            if not any(start < other.end and other.start < stop for other in found):
                found.append(Credential(kind, start, stop))
    return tuple(sorted(found, key=lambda each: each.start))
