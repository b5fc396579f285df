"""The gate's decision in one plain sentence, in English and in Traditional Chinese, from the same facts."""

from collections.abc import Iterable

from staffroom.records.decision import Decision, FacetVerdict, Verdict
from staffroom.release.paired_reasons import paired_reason
from staffroom.stats import items_needed, least_to_pass

__all__ = ["decision_reason", "explain", "facet_reason", "more_items"]


def explain(decision: Decision, locale: str = "en") -> str:
    """Return the decision's reason as one sentence in `en` or `zh-TW` (others fall back to English)."""
    if decision.paired is not None:
        return paired_reason(decision.verdict, decision.paired.tests, locale)
    build = _sentence_zh if locale == "zh-TW" else decision_reason
    return build(decision.verdict, decision.facets, decision.alpha)


def decision_reason(word: Verdict, facets: Iterable[FacetVerdict], alpha: float) -> str:
    """Return one English sentence with the numbers that decided."""
    gated = [facet for facet in facets if facet.gated]
    if not gated:
        return "Undecided: no facet has enough items to be gated, so nothing could be shown."
    if word is Verdict.PROMOTED:
        parts = [
            f"{facet.facet} {_count(facet)} right against {facet.threshold:g}{_need(facet, alpha)}"
            for facet in gated
        ]
        return f"Promoted: every gated facet is above its threshold ({'; '.join(parts)})."
    if word is Verdict.REJECTED:
        parts = [
            f"{facet.facet} got {_count(facet)} right and is at most {facet.upper:.3f}, below {facet.threshold:g}"
            for facet in gated
            if facet.verdict is Verdict.REJECTED
        ]
        return f"Rejected: {'; '.join(parts)}."
    parts = [_open(facet, alpha) for facet in gated if facet.verdict is Verdict.UNDECIDED]
    return f"Undecided: {'; '.join(parts)}."


def facet_reason(
    word: Verdict, tested: int, passed: float, threshold: float, p_value: float, upper: float
) -> str:
    """Return one facet's reason as an English phrase."""
    count = f"{passed:g} of {tested} right"
    if word is Verdict.PROMOTED:
        return f"{count}: above {threshold:g} (p = {p_value:.2g})"
    if word is Verdict.REJECTED:
        return f"{count}: at most {upper:.3f}, below {threshold:g}"
    return f"{count}: neither above {threshold:g} (p = {p_value:.2g}) nor below it (at most {upper:.3f})"


def more_items(facet: FacetVerdict, alpha: float) -> int | None:
    """Return about how many more items from new sources would decide a facet, if its rate stays as seen.

    None where no reasonable number would.
    """
    if facet.threshold is None or not facet.tested:
        return None
    needed = items_needed(facet.threshold, alpha, facet.passed / facet.tested)
    return None if needed is None else max(1, needed - facet.tested)


def _count(facet: FacetVerdict) -> str:
    return f"{facet.passed:g} of {facet.tested}"


def _need(facet: FacetVerdict, alpha: float) -> str:
    least = _least(facet, alpha)
    return "" if least is None else f", {least} needed"


def _least(facet: FacetVerdict, alpha: float) -> int | None:
    return None if facet.threshold is None else least_to_pass(facet.tested, facet.threshold, alpha)


def _open(facet: FacetVerdict, alpha: float) -> str:
    more = more_items(facet, alpha)
    outlook = (
        f"about {more} more items from new sources would likely decide"
        if more is not None
        else "it is too near the threshold for more items to decide"
    )
    return (
        f"{facet.facet} got {_count(facet)} right, neither shown above {facet.threshold:g}{_need(facet, alpha)} "
        f"nor shown below it (at most {facet.upper:.3f}); {outlook}"
    )


def _sentence_zh(word: Verdict, facets: Iterable[FacetVerdict], alpha: float) -> str:
    gated = [facet for facet in facets if facet.gated]
    if not gated:
        return "無法判定：沒有任何面向的題數足以把關，因此無從證明。"
    if word is Verdict.PROMOTED:
        parts = [_passed_zh(facet, alpha) for facet in gated]
        return f"錄用：把關的面向全部通過（{'；'.join(parts)}）。"
    if word is Verdict.REJECTED:
        parts = [
            f"{facet.facet} 抽 {facet.tested} 題答對 {facet.passed:g} 題，實力最多 {facet.upper:.3f}，"
            f"低於門檻 {facet.threshold:g}"
            for facet in gated
            if facet.verdict is Verdict.REJECTED
        ]
        return f"不錄用：{'；'.join(parts)}。"
    parts = [_open_zh(facet, alpha) for facet in gated if facet.verdict is Verdict.UNDECIDED]
    return f"無法判定：{'；'.join(parts)}。"


def _passed_zh(facet: FacetVerdict, alpha: float) -> str:
    least = _least(facet, alpha)
    need = "" if least is None else f"，需 {least} 題"
    return f"{facet.facet} 抽 {facet.tested} 題答對 {facet.passed:g} 題{need}，門檻 {facet.threshold:g}"


def _open_zh(facet: FacetVerdict, alpha: float) -> str:
    more = more_items(facet, alpha)
    outlook = (
        f"照目前的答對率，大約再加 {more} 題（出自新的來源）才分得出高下"
        if more is not None
        else "成績太接近門檻，再加題也難以判定"
    )
    return (
        f"{facet.facet} 抽 {facet.tested} 題答對 {facet.passed:g} 題，既不足以證明高於門檻 {facet.threshold:g}，"
        f"也不足以證明低於門檻（上限 {facet.upper:.3f}）；{outlook}"
    )
