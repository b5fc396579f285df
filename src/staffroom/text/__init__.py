"""Script, regional wording, language and terms of texts: pure functions, with word lists loaded at first use."""

from staffroom.text.language import language_of, wrong_language
from staffroom.text.locale import Change, LocaleFindings, StreamRepair, check, repair
from staffroom.text.ngrams import character_ngrams, containment, ngram_terms
from staffroom.text.normalise import comparable, squeeze, to_traditional
from staffroom.text.numbers import chinese_number, numbers_in
from staffroom.text.quotations import quotations
from staffroom.text.script import simplified_characters, simplified_only
from staffroom.text.wording import Replacement, find_wording

__all__ = [
    "Change",
    "LocaleFindings",
    "Replacement",
    "StreamRepair",
    "character_ngrams",
    "check",
    "chinese_number",
    "comparable",
    "containment",
    "find_wording",
    "language_of",
    "ngram_terms",
    "numbers_in",
    "quotations",
    "repair",
    "simplified_characters",
    "simplified_only",
    "squeeze",
    "to_traditional",
    "wrong_language",
]
