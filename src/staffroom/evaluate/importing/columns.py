"""Which column of a table holds the question, the options, the answer: found by the names that people give them."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from staffroom.evaluate.kinds import LETTERS

__all__ = ["Columns", "find_columns", "known_columns"]

_NAMES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "question": frozenset(
            [
                "question",
                "prompt",
                "input",
                "stem",
                "query",
                "problem",
                "text",
                "q",
                "題目",
                "問題",
                "題幹",
                "试题",
                "题目",
                "问题",
                "fråga",
                "fragetext",
                "frågetext",
                "السؤال",
                "سؤال",
            ]
        ),
        "answer": frozenset(
            [
                "answer",
                "answers",
                "correct",
                "correctanswer",
                "correctoption",
                "answerkey",
                "key",
                "gold",
                "label",
                "target",
                "solution",
                "rightanswer",
                "答案",
                "正確答案",
                "解答",
                "正解",
                "標準答案",
                "答",
                "svar",
                "rättsvar",
                "facit",
                "الجواب",
                "الإجابة",
                "جواب",
            ]
        ),
        "choices": frozenset(
            [
                "choices",
                "options",
                "alternatives",
                "candidates",
                "選項",
                "选项",
                "svarsalternativ",
                "الخيارات",
            ]
        ),
        "id": frozenset(
            ["id", "no", "nr", "number", "index", "idx", "uid", "編號", "題號", "序號", "编号", "رقم"]
        ),
        "cluster": frozenset(
            ["cluster", "passage", "article", "page", "context", "section", "條文", "段落", "篇章", "avsnitt"]
        ),
        "reference": frozenset(
            ["reference", "source", "citation", "url", "來源", "出處", "依據", "来源", "källa", "المصدر"]
        ),
        "note": frozenset(
            [
                "note",
                "notes",
                "explanation",
                "rationale",
                "comment",
                "說明",
                "解析",
                "備註",
                "说明",
                "förklaring",
                "ملاحظة",
            ]
        ),
        "tag": frozenset(
            [
                "subject",
                "category",
                "topic",
                "domain",
                "tag",
                "subset",
                "科目",
                "類別",
                "主題",
                "领域",
                "ämne",
                "kategori",
                "الموضوع",
            ]
        ),
    }
)
_OPTION = re.compile(r"(?:options?|choices?|answers?|opt|alternativ|選項|选项|الخيار)?([a-j]|10|[0-9])")
_BLANKS = re.compile(r"[\s_\-.()（）:：]+")


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns found; `options` in the order of their letters, `others` what nobody asked for."""

    question: str
    answer: str
    options: tuple[str, ...]
    choices: str
    id: str
    cluster: str
    reference: str
    note: str
    tag: str
    others: tuple[str, ...]


def known_columns(names: Sequence[str]) -> int:
    """Return how many of the names are understood."""
    found = find_columns(names)
    return len(names) - len(found.others) if len(names) > 1 else 0


def find_columns(names: Sequence[str]) -> Columns:
    """Return which name holds what; a role that no name fits is empty, the first of several fitting names is taken."""
    plain = {name: _plain(name) for name in names}
    roles: dict[str, str] = {}
    for role, words in _NAMES.items():
        roles[role] = next((name for name in names if plain[name] in words), "")
    taken = set(roles.values())
    options = _options({name: text for name, text in plain.items() if name not in taken})
    used = taken | set(options)
    return Columns(
        question=roles["question"],
        answer=roles["answer"],
        options=options,
        choices=roles["choices"],
        id=roles["id"],
        cluster=roles["cluster"],
        reference=roles["reference"],
        note=roles["note"],
        tag=roles["tag"],
        others=tuple(name for name in names if name not in used),
    )


def _options(plain: Mapping[str, str]) -> tuple[str, ...]:
    """Return the columns of options: A, B, C … or option 1, option 2 …, or 0, 1, 2 …, without a gap."""
    by_mark = {found[1]: name for name, text in plain.items() if (found := _OPTION.fullmatch(text))}
    numbers = [str(number) for number in range(0 if "0" in by_mark else 1, 11)]
    for marks in (LETTERS.lower(), numbers):
        run: list[str] = []
        for mark in marks:
            if mark not in by_mark:
                break
            run.append(by_mark[mark])
        if len(run) >= 2:
            return tuple(run)
    return ()


def _plain(name: str) -> str:
    return _BLANKS.sub("", unicodedata.normalize("NFKC", name)).lower()
