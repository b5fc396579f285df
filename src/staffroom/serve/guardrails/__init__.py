"""Guardrails at work: what a person sends, what is retrieved and what is served is examined by a worker's plan.

`TextGuard` is the whole of it for a caller that has texts and streams; `CitationCheck` and `guard_excerpts` are for
one that has documents. They know nothing of HTTP, keys or engines.
"""

from staffroom.serve.guardrails.citations import CitationCheck
from staffroom.serve.guardrails.excerpts import guard_excerpts
from staffroom.serve.guardrails.model import GuardModel
from staffroom.serve.guardrails.personal import KnownContacts
from staffroom.serve.guardrails.stream import Change, GuardedStream
from staffroom.serve.guardrails.tally import Tally
from staffroom.serve.guardrails.text_guard import AnswerGuard, Examined, TextGuard

__all__ = [
    "AnswerGuard",
    "Change",
    "CitationCheck",
    "Examined",
    "GuardModel",
    "GuardedStream",
    "KnownContacts",
    "Tally",
    "TextGuard",
    "guard_excerpts",
]
