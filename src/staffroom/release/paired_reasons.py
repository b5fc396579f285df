"""A later gate's decision in one plain sentence, in English and in Traditional Chinese, from the same facts."""

from collections.abc import Sequence

from staffroom.records.decision import ClaimForm, PairedVerdict, Verdict
from staffroom.stats import Evidence, Outcome

__all__ = ["claim_reason", "paired_reason"]


def paired_reason(word: Verdict, tests: Sequence[PairedVerdict], locale: str = "en") -> str:
    """Return one sentence with the numbers that decided, in `en` or `zh-TW`."""
    build = _sentence_zh if locale == "zh-TW" else _sentence
    return build(word, tests)


def claim_reason(name: str, form: ClaimForm, border: float, seen: Evidence) -> str:
    """Return one test's reason as an English phrase."""
    mean = _mean(seen.mean_low, seen.mean_high)
    claim = _claim(form, border)
    if seen.outcome is Outcome.SHOWN:
        return f"{name} {mean} over {seen.clusters} sources: {claim} (p = {seen.p_value:.2g})"
    if seen.outcome is Outcome.REFUTED:
        return (
            f"{name} {mean} over {seen.clusters} sources: shown not to be {claim} (p = {seen.p_against:.2g})"
        )
    return f"{name} {mean} over {seen.clusters} sources: not shown to be {claim} (p = {seen.p_value:.2g})"


def _sentence(word: Verdict, tests: Sequence[PairedVerdict]) -> str:
    gated = [test for test in tests if test.gated]
    if word is Verdict.PROMOTED:
        return f"Promoted: {'; '.join(test.reason for test in gated)}."
    if word is Verdict.REJECTED:
        return f"Rejected: {'; '.join(test.reason for test in gated if test.verdict is Verdict.REJECTED)}."
    open_ones = [test for test in gated if test.verdict is Verdict.UNDECIDED]
    if not open_ones:
        return "Undecided: the task has too few sources for anybody to be shown better."
    return f"Not enough items to tell: {'; '.join(f'{test.reason}; {_outlook(test)}' for test in open_ones)}."


def _outlook(test: PairedVerdict) -> str:
    if test.more is None:
        return "more items would hardly decide at the difference seen"
    return f"about {test.more} more items from new sources would likely decide"


def _claim(form: ClaimForm, border: float) -> str:
    if form is ClaimForm.SUPERIOR:
        return "better than the incumbent" + (f" by {border:g}" if border else "")
    return f"not worse than the incumbent by {border:g}"


def _mean(low: float, high: float) -> str:
    return f"{low:+.3f}" if low == high else f"{low:+.3f} to {high:+.3f}"


def _sentence_zh(word: Verdict, tests: Sequence[PairedVerdict]) -> str:
    gated = [test for test in tests if test.gated]
    if word is Verdict.PROMOTED:
        return f"換上新版：{'；'.join(_one_zh(test) for test in gated)}。"
    if word is Verdict.REJECTED:
        parts = [_one_zh(test) for test in gated if test.verdict is Verdict.REJECTED]
        return f"不換：{'；'.join(parts)}。"
    open_ones = [test for test in gated if test.verdict is Verdict.UNDECIDED]
    if not open_ones:
        return "無法判定：考題的來源太少，誰都證明不了自己比較好。"
    return f"題數不夠，無法判定：{'；'.join(f'{_one_zh(test)}，{_outlook_zh(test)}' for test in open_ones)}。"


def _outlook_zh(test: PairedVerdict) -> str:
    if test.more is None:
        return "照目前的差距，再加題也難以判定"
    return f"大約再加 {test.more} 題（出自新的來源）才分得出高下"


def _one_zh(test: PairedVerdict) -> str:
    if test.form is ClaimForm.LIMIT:
        violated = test.tested - test.passed
        return f"{test.name} {test.tested} 個來源中有 {violated:g} 個違規，違規率最多 {test.upper or 0:.3g}"
    if test.form is ClaimForm.THRESHOLD:
        return f"{test.name} 抽 {test.tested} 題答對 {test.passed:g} 題，門檻 {test.border:g}"
    mean = _mean(test.mean_low or 0.0, test.mean_high or 0.0)
    claim = "比現任好" if test.form is ClaimForm.SUPERIOR else f"不比現任差 {test.border:g} 以上"
    said = {
        Verdict.PROMOTED: f"證明{claim}",
        Verdict.REJECTED: f"證明並非{claim}",
        Verdict.UNDECIDED: f"還證明不了{claim}",
    }.get(test.verdict, "只報告")
    return f"{test.name} 在 {test.clusters} 個來源上相差 {mean}，{said}"
