"""Script, regional wording, language and terms of texts: pure functions, with word lists loaded at first use."""

from staffroom.text.folding import folded
from staffroom.text.language import language_of, wrong_language
from staffroom.text.locale import Change, LocaleFindings, StreamRepair, check, repair
from staffroom.text.minhash import SIGNATURE_SIZE, Signature, estimated_jaccard, meeting_pairs, minhash
from staffroom.text.ngrams import character_ngrams, containment, ngram_terms, shingles
from staffroom.text.normalise import comparable, squeeze, to_traditional
from staffroom.text.numbers import chinese_number, numbers_in
from staffroom.text.quotations import quotations
from staffroom.text.script import simplified_characters, simplified_only
from staffroom.text.wording import Replacement, find_wording

__all__ = [
    "SIGNATURE_SIZE",
    "Change",
    "LocaleFindings",
    "Replacement",
    "Signature",
    "StreamRepair",
    "character_ngrams",
    "check",
    "chinese_number",
    "comparable",
    "containment",
    "estimated_jaccard",
    "find_wording",
    "folded",
    "language_of",
    "meeting_pairs",
    "minhash",
    "ngram_terms",
    "numbers_in",
    "quotations",
    "repair",
    "shingles",
    "simplified_characters",
    "simplified_only",
    "squeeze",
    "to_traditional",
    "wrong_language",
]
