"""The page that opens a citation at its place in a document, and the signed links that lead to it.

A browser that follows a link carries no key, so the link carries a signature over the document's digest:
who was shown a citation may read that document, and nobody can make up a link. A document that has been
withdrawn opens for nobody: its source then returns None.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from staffroom.records.agent import Citation
from staffroom.store import write_durably

__all__ = [
    "DocumentLinks",
    "DocumentSource",
    "DocumentText",
    "document_headers",
    "document_page",
    "missing_page",
    "page_language",
]

_SECRET_BYTES = 32
_STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1b1f;--quiet:#5c5c66;--mark:#ffe58a;--mark-ink:#1b1b1f}
@media (prefers-color-scheme:dark){:root{--paper:#16161a;--ink:#ececf1;--quiet:#a6a6b3;--mark:#5b4a00;
--mark-ink:#fff6d6}}
body{margin:0;background:var(--paper);color:var(--ink);font:1.0625rem/1.75 system-ui,"Noto Sans TC",
"PingFang TC","Microsoft JhengHei",sans-serif}
header,main{max-width:44rem;margin:0 auto;padding:1.25rem}
header{border-bottom:1px solid var(--quiet)}
h1{font-size:1.35rem;line-height:1.35;margin:0 0 .25rem}
p{margin:.25rem 0;color:var(--quiet)}
a{color:inherit}
.text{white-space:pre-wrap;overflow-wrap:anywhere}
mark{background:var(--mark);color:var(--mark-ink);padding:.1em 0;scroll-margin-block:35vh}
mark:focus{outline:2px solid var(--ink);outline-offset:2px}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class DocumentText:
    """A document's name and extracted text; `locale` is the text's language, empty where unknown."""

    name: str
    text: str
    as_of: str | None = None
    locale: str = ""


DocumentSource = Callable[[str], DocumentText | None]


@dataclass(frozen=True, slots=True)
class _Phrases:
    language: str
    as_of: str
    jump: str
    no_place: str
    missing_title: str
    missing: str


_ENGLISH = _Phrases(
    language="en",
    as_of="As of {date}",
    jump="Go to the cited passage",
    no_place="The cited place is not in this text; the whole document is shown.",
    missing_title="This document cannot be opened",
    missing="It may have been withdrawn, or the link is not complete. Ask the office that runs this service.",
)
_TAIWAN = _Phrases(
    language="zh-TW",
    as_of="資料日期：{date}",
    jump="跳到引用的段落",
    no_place="這份文件裡找不到引用的位置，以下顯示全文。",
    missing_title="無法開啟這份文件",
    missing="文件可能已經撤下，或是連結不完整。請洽提供這項服務的機關。",
)


class DocumentLinks:
    """Makes and checks links to documents with one secret of 32 bytes."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < _SECRET_BYTES:
            raise ValueError("a link secret has 32 bytes")
        self._secret = secret

    @classmethod
    def of(cls, keys: Path) -> "DocumentLinks":
        """Return the links of a home's `keys` folder; the secret is made (mode 0600) where there is none."""
        path = keys / "document-links"
        try:
            return cls(path.read_bytes())
        except FileNotFoundError:
            write_durably(path, secrets.token_bytes(_SECRET_BYTES), mode=0o600)
            return cls(path.read_bytes())

    def path(self, citation: Citation) -> str:
        """Return the path with query and fragment that opens a citation at its place."""
        digest = quote(citation.document_digest, safe=":")
        signature = self.sign(citation.document_digest)
        return f"/documents/{digest}?start={citation.start}&end={citation.end}&sig={signature}#cited"

    def sign(self, digest: str) -> str:
        """Return the signature that opens a document."""
        message = b"staffroom document link v1\n" + digest.encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()[:40]

    def opens(self, digest: str, signature: str) -> bool:
        """Say whether the signature is one of ours for this document (constant time)."""
        return hmac.compare_digest(self.sign(digest).encode(), signature.encode())


def page_language(accept_language: str) -> str:
    """Return `zh-TW` where the reader prefers Chinese to English, else `en` (RFC 9110, 12.5.4)."""
    best, chosen = 0.0, "en"
    for item in accept_language.split(",")[:20]:
        name, _, rest = item.strip().lower().partition(";")
        primary = name.strip().split("-")[0]
        weight = _weight(rest)
        if primary in ("zh", "en") and weight > best:
            best, chosen = weight, "zh-TW" if primary == "zh" else "en"
    return chosen


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if not name:
        return 1.0
    try:
        return min(1.0, max(0.0, float(value))) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


def document_headers(language: str) -> dict[str, str]:
    """Return the headers of a document page: nothing may be loaded, framed, kept or passed on."""
    return {
        "content-security-policy": _POLICY,
        "content-language": language,
        "vary": "accept-language",
        "cache-control": "private, no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-robots-tag": "noindex",
    }


def document_page(document: DocumentText, start: int, end: int, language: str) -> str:
    """Return the page (HTML) with the text from character `start` to `end` marked as `#cited`."""
    phrases = _phrases(language)
    text = document.text
    inside = 0 <= start < end <= len(text)
    header = [f"<h1>{escape(document.name)}</h1>"]
    if document.as_of:
        header.append(f"<p>{escape(phrases.as_of.format(date=document.as_of))}</p>")
    if inside:
        header.append(f'<p><a href="#cited">{phrases.jump}</a></p>')
        shown = (
            f'{escape(text[:start])}<mark id="cited" tabindex="-1">{escape(text[start:end])}</mark>'
            f"{escape(text[end:])}"
        )
    else:
        header.append(f'<p role="status">{phrases.no_place}</p>')
        shown = escape(text)
    language_of_text = f' lang="{escape(document.locale)}"' if document.locale else ""
    # A line feed right after the opening tag would be dropped by the parser where the element is a <pre>;
    # in a <div> it stays, so what is shown is the extracted text to the character.
    body = f'<header>{"".join(header)}</header><main><div class="text"{language_of_text}>{shown}</div></main>'
    return _page(phrases.language, document.name, body)


def missing_page(language: str) -> str:
    """Return the page for a document that does not exist, was withdrawn, or may not be opened."""
    phrases = _phrases(language)
    body = f"<header><h1>{phrases.missing_title}</h1></header><main><p>{phrases.missing}</p></main>"
    return _page(phrases.language, phrases.missing_title, body)


def _phrases(language: str) -> _Phrases:
    return _TAIWAN if language == "zh-TW" else _ENGLISH


def _page(language: str, title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{body}</body></html>"
    )
