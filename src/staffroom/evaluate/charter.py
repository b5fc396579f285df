"""Drafts of charter items: what the statements of an organisation's own charter let one ask, by templates.

1. Statements are read from a job's charter, or from the sections of a Markdown charter whose heading says what
   they hold.
2. A topic of the language (`charters/LOCALE.yaml`) whose words stand in a statement offers its templates.
3. What no topic knows is named, so that a person writes those items by hand.

The same charter gives the same drafts in the same order. It calls no model, accepts nothing and writes no file.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

from markdown_it import MarkdownIt
from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

from staffroom.evaluate.kinds import LETTERS
from staffroom.evaluate.patterns import Whitespace
from staffroom.records.digests import digest_value
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Kind
from staffroom.records.job_description import Charter

__all__ = [
    "CharterWords",
    "Draft",
    "Proposal",
    "Statement",
    "StatementKind",
    "charter_words",
    "dilemma_draft",
    "propose",
    "read_statements",
    "statements_of",
]


class StatementKind(StrEnum):
    """What a statement of a charter is about."""

    MUST = "must"
    MUST_NOT = "must_not"
    REFUSE = "refuse"
    NEUTRAL = "neutral"
    TURN_TO = "turn_to"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a charter; `where` names the file and the heading or field it stands under."""

    kind: StatementKind
    text: str
    where: str

    def as_json(self) -> dict[str, str]:
        """Return the statement as a JSON object."""
        return {"kind": self.kind.value, "text": self.text, "where": self.where}


@dataclass(frozen=True, slots=True)
class Draft:
    """One proposal: a single item, or the two sides of a pair, as lines of items.jsonl without id and cluster.

    by: `template`, or the model that worded it.
    """

    name: str
    kind: Kind
    statement: Statement
    sides: tuple[Mapping[str, Any], ...]
    by: str = "template"

    @property
    def digest(self) -> str:
        """What a decision on this draft refers to; another wording is another draft."""
        return digest_value({"name": self.name, "by": self.by, "sides": [dict(side) for side in self.sides]})

    def lines(self, sides: Iterable[Mapping[str, Any]] | None = None) -> list[dict[str, Any]]:
        """Return the lines of items.jsonl, with ids that name this draft; `sides` are the edited ones."""
        cluster = f"{self.name}-{self.digest[7:13]}"
        rows = list(self.sides if sides is None else sides)
        names = [cluster] if len(rows) == 1 else [f"{cluster}-{number}" for number in range(1, len(rows) + 1)]
        return [{"id": name, "cluster": cluster, **row} for name, row in zip(names, rows, strict=True)]


@dataclass(frozen=True, slots=True)
class Proposal:
    """All drafts that a charter gives, and the statements for which there is no template."""

    drafts: tuple[Draft, ...]
    unmatched: tuple[Statement, ...]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Dilemma(_Data):
    id: str
    scene: str
    facts: tuple[str, str]
    options: tuple[str, ...] = Field(min_length=3, max_length=len(LETTERS))


class _Request(_Data):
    id: str
    input: str
    answer: str
    reject: tuple[str, ...] = ()


class _Mirror(_Data):
    id: str
    input: str
    names: tuple[str, str]
    accept: tuple[str, ...]
    reject: tuple[str, ...] = ()
    answer: str


class _Topic(_Data):
    id: str
    words: str
    dilemmas: tuple[_Dilemma, ...] = ()
    refuse: tuple[_Request, ...] = ()
    mirrors: tuple[_Mirror, ...] = ()


class _Notice(_Data):
    id: str
    input: str
    accept: tuple[str, ...]
    reject: tuple[str, ...]
    answer: str


class _TurnTo(_Data):
    id: str
    input: str
    answer: str


class CharterWords(_Data):
    """The templates of one language, and what a pack in it needs: patterns, and the lines of SOURCES.md."""

    locale: str
    desk: str
    title_as_desk: bool = False
    whitespace: Whitespace
    headings: dict[StatementKind, str]
    lead: str
    tail: str
    sources_title: str
    sources_note: str
    sources_line: str
    sources_model: str
    patterns: dict[str, tuple[str, ...]]
    topics: tuple[_Topic, ...]
    notice: _Notice
    turn_to: _TurnTo
    model_prompt: str


@cache
def charter_words(locale: str) -> CharterWords:
    """Return the templates of a locale; raises WrongUse where there are none."""
    source = files("staffroom.evaluate").joinpath(f"charters/{locale}.yaml")
    if not source.is_file():
        raise WrongUse(
            f"there are no templates of charter items for {locale}",
            hint="write the items by hand (docs/guides/charter-exam.md), or use zh-TW, en, sv-SE or ar-SA",
        )
    return CharterWords.model_validate(YAML(typ="safe").load(source.read_text(encoding="utf-8")))


def statements_of(charter: Charter, where: str) -> tuple[Statement, ...]:
    """Return the statements that a job description's charter lists; `where` is the file's name."""
    found = []
    for kind, texts in (
        (StatementKind.MUST_NOT, charter.must_not),
        (StatementKind.REFUSE, charter.refuse),
        (StatementKind.MUST, charter.must),
        (StatementKind.NOTICE, (charter.ai_notice,)),
        (StatementKind.TURN_TO, (charter.turn_to,)),
    ):
        name = "ai_notice" if kind is StatementKind.NOTICE else kind.value
        found += [Statement(kind, text, f"{where}: charter.{name}") for text in texts]
    return tuple(found)


def read_statements(markdown: str, where: str, words: CharterWords) -> tuple[Statement, ...]:
    """Return the statements of a Markdown charter: list items and paragraphs under headings that are known.

    A heading below one that is known, and not known itself, goes on with it. Where no heading is known the
    result is empty.
    """
    found: list[Statement] = []
    kind: StatementKind | None = None
    depth, heading, level, in_list = 0, "", 0, 0
    for token in MarkdownIt("commonmark").parse(markdown):
        if token.type == "heading_open":
            depth = int(token.tag[1])
        elif token.type in ("list_item_open", "list_item_close"):
            in_list += token.nesting
        elif token.type == "inline" and depth:
            named = _kind_of(token.content, words)
            if named is not None or depth <= level:
                kind, heading, level = named, token.content, depth
            depth = 0
        elif token.type == "inline" and kind is not None:
            text = " ".join(token.content.split())
            found += [
                Statement(kind, part, f"{where}: {heading}")
                for part in _parts(text, kind, in_list > 0, words)
            ]
    return tuple(found)


def propose(words: CharterWords, statements: Iterable[Statement], desk: str = "") -> Proposal:
    """Return the drafts for statements; each template once, for the first statement that calls for it.

    desk: what the people call the worker, as it stands in a sentence; else the language's own word.
    """
    stated = tuple(dict.fromkeys(statements))
    drafts: list[Draft] = []
    matched: set[Statement] = set()
    asking = (StatementKind.TURN_TO, StatementKind.NOTICE)
    for topic in words.topics:
        pattern = re.compile(topic.words, re.IGNORECASE)
        own = [
            item for item in stated if item.kind is not StatementKind.TURN_TO and pattern.search(item.text)
        ]
        matched.update(own)
        if own:
            drafts += _drafts_of(topic, own[0], desk or words.desk)
    for statement in stated:
        if statement.kind in asking:
            drafts += _asked_outright(words, statement)
    unmatched = tuple(item for item in stated if item not in matched and item.kind not in asking)
    first: dict[str, Draft] = {}
    for draft in drafts:
        first.setdefault(draft.name, draft)
    return Proposal(tuple(first.values()), unmatched)


def _kind_of(heading: str, words: CharterWords) -> StatementKind | None:
    return next(
        (kind for kind, pattern in words.headings.items() if re.search(pattern, heading, re.IGNORECASE)), None
    )


def _parts(text: str, kind: StatementKind, in_list: bool, words: CharterWords) -> Iterator[str]:
    """Cut a paragraph into statements: an enumeration of refusals by its commas, other text by sentences."""
    if kind is StatementKind.NOTICE:
        quoted = re.search(r"[「“\"«](.+)[」”\"»]", text)
        yield quoted[1] if quoted else text
    elif kind is StatementKind.TURN_TO:
        yield text
    elif in_list:
        yield text.strip(" ;；。.,，、")
    else:
        sentences = [part for part in re.split(r"(?<=[。！？!?؟])\s*|(?<=\.)\s+", text) if part.strip()]
        if kind is StatementKind.REFUSE:
            listed = re.sub(words.lead, "", sentences[0], flags=re.IGNORECASE)
            listed = re.sub(words.tail, "", listed)
            sentences = re.split(r"[、,，;；،؛]\s*(?:and |or |och |eller |以及|和|或)?", listed)
        yield from (part.strip(" ;；。.,，、") for part in sentences if part.strip(" ;；。.,，、"))


def dilemma_draft(
    name: str, statement: Statement, scenes: Sequence[str], options: Sequence[str], by: str = "template"
) -> Draft:
    """Return the draft of a pair: the first option is right in the first scene, the second in the second.

    The options are shown in an order that their wording decides, so that the right letters vary.
    """
    order = sorted(
        range(len(options)), key=lambda index: hashlib.sha256(f"{name}|{options[index]}".encode()).digest()
    )
    sides = tuple(
        {
            "facet": Kind.DILEMMA.value,
            "kind": Kind.DILEMMA.value,
            "input": scene,
            "choices": [options[index] for index in order],
            "accept": [LETTERS[order.index(right)]],
            **_why(statement),
        }
        for right, scene in enumerate(scenes)
    )
    return Draft(name, Kind.DILEMMA, statement, sides, by)


def _drafts_of(topic: _Topic, statement: Statement, desk: str) -> Iterator[Draft]:
    for dilemma in topic.dilemmas:
        scenes = [dilemma.scene.format(fact=fact, desk=desk) for fact in dilemma.facts]
        yield dilemma_draft(f"{topic.id}-{dilemma.id}", statement, scenes, dilemma.options)
    for mirror in topic.mirrors:
        sides = tuple(
            {
                "facet": Kind.NEUTRALITY.value,
                "kind": Kind.NEUTRALITY.value,
                "input": mirror.input.format(name=name),
                "accept": list(mirror.accept),
                "reject": list(mirror.reject),
                "answer": mirror.answer,
                **_why(statement),
            }
            for name in mirror.names
        )
        yield Draft(f"{topic.id}-{mirror.id}", Kind.NEUTRALITY, statement, sides)
    for request in topic.refuse:
        side = {
            "facet": Kind.REFUSE.value,
            "kind": Kind.REFUSE.value,
            "input": request.input,
            "accept": [],  # by the refusal rule, whose errors are measured
            "reject": list(request.reject),
            "answer": request.answer,
            **_why(statement),
        }
        yield Draft(f"{topic.id}-{request.id}", Kind.REFUSE, statement, (side,))


def _asked_outright(words: CharterWords, statement: Statement) -> Iterator[Draft]:
    """Return the question whether the worker says that it is a machine, and whom it names when asked."""
    side: dict[str, Any] = {"facet": "charter", "kind": Kind.SHORT.value}
    if statement.kind is StatementKind.NOTICE:
        own = words.notice
        side |= {
            "input": own.input,
            "accept": list(own.accept),
            "reject": list(own.reject),
            "answer": own.answer,
        }
        name = own.id
    else:
        side |= {
            "input": words.turn_to.input,
            "accept": _patterns_of(statement.text),
            "answer": words.turn_to.answer.format(turn_to=statement.text.rstrip("。．.")),
        }
        name = words.turn_to.id
    yield Draft(name, Kind.SHORT, statement, ({**side, **_why(statement)},))


def _patterns_of(turn_to: str) -> list[str]:
    """Return patterns of a contact: its telephone number however it is grouped, and its name up to a comma."""
    patterns = []
    for number in re.findall(r"[+(]?\d[\d ()\-./]{4,}\d", turn_to):
        digits = re.sub(r"\D", "", number)[-7:]
        if len(digits) >= 5:
            patterns.append(r"\D{0,3}".join(digits))
    name = re.split(r"[,，;；،؛(（:：]", turn_to)[0].strip()
    words = [re.escape(word) for word in name.split()]
    return [*patterns[:1], *([r"\s*".join(words)] if words else [])]


def _why(statement: Statement) -> dict[str, str]:
    return {"reference": statement.where[:2000], "note": statement.text[:4000]}
