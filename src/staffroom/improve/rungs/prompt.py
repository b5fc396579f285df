"""The second rung: the wording. The charter as the job has it now, and sentences that the corrections ask for.

A sentence is added where the corrections show its fault often enough, by counting, without a model: corrected answers that name an
article where the wrong ones do not, that decline, that answer, that refuse, that are much shorter, or whose fault is wording.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from statistics import median
from types import MappingProxyType

import regex
from ruamel.yaml import YAML

from staffroom.improve.ladder import Expected, Parts, Proposal, Rung, Workshop
from staffroom.records.feedback import Correction

__all__ = ["propose_prompt"]

_LEAST_CASES = 5
_LEAST_SHARE = 0.05
_SHORTER = 0.7
_ARTICLE = regex.compile(
    r"第\s*[0-9〇零一二三四五六七八九十百千]+\s*(?:[-之]\s*[0-9一二三四五六七八九十]+)?\s*條|\b(?:article|section|§)\s*[0-9]+",
    regex.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Fault:
    name: str
    cases: int


def propose_prompt(shop: Workshop) -> list[Proposal]:
    """Return the charter as it is now, where it changed, and the incumbent's prompt with sentences added."""
    wording = _as_the_job_is(shop)
    found: list[Proposal] = []
    if wording.key() != shop.incumbent.key():
        reason = "the charter of the job is worded otherwise than in the release"
        found.append(Proposal(Rung.PROMPT, "charter", wording, reason))
    faults = _faults(shop)
    known = _sentences(wording.book.locale)
    lines = [known[fault.name] for fault in faults if fault.name in known]
    lines = [line for line in lines if line not in wording.book.system]
    if lines:
        book = replace(wording.book, system="\n".join([wording.book.system, *lines]))
        counted = ", ".join(f"{fault.name} in {fault.cases}" for fault in faults)
        reason = f"of {len(shop.corrections)} corrections: {counted}; adds: {' '.join(lines)}"
        found.append(Proposal(Rung.PROMPT, "instructions", replace(wording, book=book), reason))
    return found


def _as_the_job_is(shop: Workshop) -> Parts:
    """Return the incumbent with the job's wording of now; sentences that an earlier improvement added stay."""
    before, now, incumbent = shop.released, shop.current, shop.incumbent
    book = incumbent.book
    if now.book != before.book:
        system = incumbent.book.system
        added = system.removeprefix(before.book.system) if system.startswith(before.book.system) else ""
        book = replace(now.book, system=now.book.system + added)
    texts = {name: getattr(now.policy, name) for name in _TEXTS}
    return replace(incumbent, book=book, policy=replace(incumbent.policy, **texts))


def _faults(shop: Workshop) -> list[_Fault]:
    """Return the faults that enough corrections show, most cases first."""
    cases = shop.corrections
    counts = {name: sum(shows(shop, one) for one in cases) for name, shows in _SIGNS.items()}
    least = max(_LEAST_CASES, _LEAST_SHARE * len(cases))
    found = [_Fault(name, count) for name, count in counts.items() if count >= least]
    lengths = [(len(one.corrected), len(one.wrong)) for one in cases if one.wrong]
    if len(lengths) >= 2 * _LEAST_CASES:
        ours, theirs = median(new for new, _ in lengths), median(old for _, old in lengths)
        if ours <= _SHORTER * theirs:
            found.append(_Fault("length", len(lengths)))
    return sorted(found, key=lambda fault: (-fault.cases, fault.name))


def _names_article(shop: Workshop, one: Correction) -> bool:
    return bool(_ARTICLE.search(one.corrected)) and not _ARTICLE.search(one.wrong)


def _declines(shop: Workshop, one: Correction) -> bool:
    return shop.expected(one) is Expected.NOTHING


def _refuses(shop: Workshop, one: Correction) -> bool:
    return shop.expected(one) is Expected.REFUSE


def _answers(shop: Workshop, one: Correction) -> bool:
    wrong = replace(one, corrected=one.wrong)
    return shop.expected(one) is Expected.ANSWER and shop.expected(wrong) is not Expected.ANSWER


def _wording(shop: Workshop, one: Correction) -> bool:
    return one.fault == "wrong_locale"


_SIGNS: Mapping[str, Callable[[Workshop, Correction], bool]] = MappingProxyType(
    {
        "article": _names_article,
        "declining": _declines,
        "refusing": _refuses,
        "answering": _answers,
        "wording": _wording,
    }
)
_TEXTS = ("turn_to", "ai_notice", "declined_text", "refused_text", "repair_locale")


@cache
def _sentences(locale: str) -> Mapping[str, str]:
    source = files("staffroom.improve").joinpath(f"data/sentences-{locale}.yaml")
    if not source.is_file():
        return {}
    return {str(name): str(text) for name, text in YAML(typ="safe").load(source.read_text("utf-8")).items()}
