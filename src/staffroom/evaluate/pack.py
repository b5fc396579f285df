"""Exam packs: a folder with exam.yaml, items.jsonl and SOURCES.md, loaded whole or refused with reasons.

It knows nothing of agents. Each error names file, line and field; nothing is repaired silently.
"""

import difflib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from staffroom.evaluate.dilemmas import chance_of, faults_of_letters, faults_of_pairs
from staffroom.evaluate.judge import JudgeEntry
from staffroom.evaluate.kinds import LETTERS, SCORER_VERSIONS, is_ruled
from staffroom.evaluate.locale_answers import AnswerRules, LocaleCheck, answer_rules_of
from staffroom.evaluate.matching import Matcher, MatchRule
from staffroom.evaluate.patterns import (
    MAX_PATTERN_CHARS,
    MAX_PATTERNS,
    NamedPatterns,
    Patterns,
    Whitespace,
)
from staffroom.evaluate.refusal import refusal_languages
from staffroom.evaluate.safety_items import faults_of_canary, raised_bar, unfit_for_gate
from staffroom.evaluate.splits import assign_splits
from staffroom.evaluate.survey import faults_of_shares
from staffroom.records.digests import digest_value
from staffroom.records.errors import WrongUse
from staffroom.records.exam import FacetRule, Item, Kind, Role, Split
from staffroom.records.source_file import read_yaml_model

__all__ = ["CHANCE_MARGIN", "ExamFile", "ExamPack", "ItemLine", "faults_of_rows", "load_pack"]

CHANCE_MARGIN = 0.20
_MAX_ITEMS_BYTES = 32 << 20
_MAX_ITEMS = 20_000
_MAX_ERRORS = 20
_RULED = (Kind.COMPLY, Kind.REFUSE, Kind.WITHHOLD)
_HINT = "correct the pack, then run `staffroom exam check PACK`"
_PatternName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
_Alternatives = Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_PATTERNS)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FacetEntry(_Strict):
    """What is asked of one facet."""

    threshold: float | None = Field(
        None, gt=0, lt=1, description="Score that must be exceeded; at least chance + 0.20."
    )
    gated: bool = Field(False, description="Whether the facet can bar a promotion; else it is reported.")
    method: Literal["exact", "betting"] = Field(
        "exact",
        description="One-sample test: exact binomial on one item per cluster, or betting on cluster means.",
    )

    judge: JudgeEntry | None = Field(
        None, description="A model that scores the facet's items; gated only with its calibration record."
    )
    role: Role | None = Field(
        None,
        description="At every gate after the first: `task` (better, all such facets together), `guard` (not worse by "
        "`margin`), `hard-stop` (violations rarer than `limit`) or `reported`; by the kind of its items if left out.",
    )
    margin: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="guard: how much worse than the incumbent is too much; 0.05 if left out.",
    )
    limit: float | None = Field(
        None, gt=0, lt=1, description="hard-stop: the rate of violations that must not be reached."
    )

    @model_validator(mode="after")
    def _has_threshold(self) -> "FacetEntry":
        if self.gated and self.threshold is None:
            raise ValueError("a gated facet needs a threshold")
        if (self.role is Role.HARD_STOP) != (self.limit is not None):
            raise ValueError("a hard stop has a limit, and nothing else has one")
        return self


class SplitEntry(_Strict):
    """Shares of the three disjoint splits and the seed that assigns clusters to them."""

    screen: float = Field(gt=0, lt=1, description="Share for the race between candidates.")
    gate: float = Field(gt=0, lt=1, description="Share for promotion.")
    sealed: float = Field(ge=0, lt=1, description="Share that no run sees; only its commitment is published.")
    seed: str = Field(min_length=1, max_length=200, description="Text that decides which cluster goes where.")
    stratify: Literal["kind", "facet"] = Field("kind", description="What every split holds in proportion.")

    @model_validator(mode="after")
    def _sums_to_one(self) -> "SplitEntry":
        total = self.screen + self.gate + self.sealed
        if abs(total - 1) > 1e-6:
            raise ValueError(f"screen, gate and sealed sum to {total:g}, not to 1")
        return self


class ExamFile(_Strict):
    """exam.yaml: how a pack's items are split, scored and gated."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Short name of the pack.")
    version: int = Field(ge=1, description="Counted up by the author with each change.")
    locale: str = Field(min_length=2, max_length=20, description="Language and region of the items.")
    declines: tuple[str, ...] = Field(
        max_length=MAX_PATTERNS,
        description="Patterns of an answer that says the documents do not say, refusals included.",
    )
    patterns: dict[_PatternName, _Alternatives] = Field(
        default_factory=dict,
        max_length=MAX_PATTERNS,
        description="Patterns by name, each a list of alternatives; `(?&name)` in a pattern stands for them.",
    )
    facets: dict[str, FacetEntry] = Field(min_length=1, description="Each facet with its rule.")
    alpha: float = Field(0.05, gt=0, le=0.05, description="Lifetime error probability of the gate split.")
    splits: SplitEntry
    scorers: dict[Kind, int] = Field(description="Version of each scorer that the items were written for.")
    cap: int | None = Field(None, ge=8, description="Most items that a candidate answers in the race.")
    whitespace: Whitespace = Field(
        Whitespace.REMOVE,
        description="Before patterns are tried: `remove` all whitespace, or make runs a `single` space.",
    )
    match: MatchRule | None = Field(
        None, description="How the answer of a `match` item is taken out of a response and compared."
    )
    asking: Literal["worker", "continuation"] = Field(
        "worker",
        description="`continuation`: inputs are prompts for a bare model, word by word, and options what follows them.",
    )
    max_tokens: int | None = Field(
        None, ge=1, le=100_000, description="continuation: the longest answer that is written."
    )
    delimiter: str = Field(
        "", max_length=20, description="continuation: what stands between prompt and option."
    )
    locale_checks: dict[str, tuple[LocaleCheck, ...]] = Field(
        default_factory=dict,
        description="By facet: what of an answer's language is checked in items of kind `locale`.",
    )


class ItemLine(_Strict):
    """One line of items.jsonl; an agent sees `input`, `choices` and `document` only."""

    id: str = Field(pattern=r"^[^\s|/\\]{1,100}$")
    cluster: str = Field("", max_length=300, description="Article, page or passage; without one, its own.")
    locale: str = Field("", max_length=20)
    facet: str = Field("", max_length=100, description="Defaults to the kind.")
    kind: Kind
    input: str = Field(min_length=1, max_length=32_000)
    choices: tuple[str, ...] = Field((), max_length=len(LETTERS))
    accept: tuple[str, ...] = Field(
        (),
        max_length=MAX_PATTERNS,
        description="Patterns (refuse, comply and withhold go without); for choice one letter, for dilemma letters, for survey the share of each option.",
    )
    reject: tuple[str, ...] = Field((), max_length=MAX_PATTERNS)
    reference: str = Field("", max_length=2000, description="Where the answer stands.")
    note: str = Field("", max_length=4000)
    answer: str = Field("", max_length=8000, description="A model answer, for checking the patterns.")
    tags: tuple[str, ...] = Field((), max_length=50, description="Words by which a job's tasks name items.")
    document: str = Field(
        "",
        max_length=4000,
        description="Untrusted text that the agent finds first, as if its documents held it.",
    )
    canary: str = Field("", max_length=100, description="What no answer may hold, in any form.")


@dataclass(frozen=True, slots=True)
class ExamPack:
    """A valid pack; `definition` is exam.yaml as data, `lines` the line of each item in items.jsonl."""

    folder: Path
    name: str
    version: int
    locale: str
    declines: tuple[str, ...]
    facets: Mapping[str, FacetRule]
    alpha: float
    cap: int | None
    items: tuple[Item, ...]
    splits: Mapping[str, Split]
    definition: Mapping[str, Any]
    patterns: Patterns = field(compare=False, repr=False)
    lines: Mapping[str, int] = field(compare=False, repr=False)
    sources: str = field(compare=False, repr=False)
    judges: Mapping[str, JudgeEntry] = field(default_factory=dict, compare=False, repr=False)
    matcher: Matcher = field(default_factory=lambda: Matcher(MatchRule()), compare=False, repr=False)
    answer_rules: AnswerRules | None = None

    @property
    def digest(self) -> str:
        """Digest over exam.yaml's content and the items' digests; comments and file order do not count."""
        return digest_value(
            {"exam": dict(self.definition), "items": sorted(item.digest for item in self.items)}
        )

    def items_of(self, split: Split) -> tuple[Item, ...]:
        """Return the items of a split in the file's order."""
        return tuple(item for item in self.items if self.splits[item.id] is split)

    def clusters_of(self, split: Split) -> dict[str, int]:
        """Return the number of distinct clusters per facet in a split, 0 where it has none."""
        seen: dict[str, set[str]] = {facet: set() for facet in self.facets}
        for item in self.items_of(split):
            seen[item.facet].add(item.cluster)
        return {facet: len(clusters) for facet, clusters in seen.items()}


def load_pack(folder: Path) -> ExamPack:
    """Load and validate a pack folder; raises WrongUse naming each fault by file, line and field."""
    exam_path, items_path, sources_path = (
        folder / name for name in ("exam.yaml", "items.jsonl", "SOURCES.md")
    )
    if not folder.is_dir():
        raise WrongUse("no such exam pack (a folder is expected)", where=str(folder), hint=_HINT)
    exam = read_yaml_model(exam_path, ExamFile, hint=_HINT)
    sources = _read_text(sources_path)
    named = _named_patterns(exam, exam_path)
    faults = list(_faults_of_exam(exam, named, exam_path))
    items, lines = _read_items(items_path, exam, named, faults)
    if not faults:
        faults.extend(_faults_across(exam, exam_path, items, items_path, lines))
    if faults:
        more = [f"... and {len(faults) - _MAX_ERRORS} more"] if len(faults) > _MAX_ERRORS else []
        raise WrongUse("\n".join(faults[:_MAX_ERRORS] + more), hint=_HINT)
    return _assemble(folder, exam, named, items, lines, sources, exam_path)


def faults_of_rows(rows: Sequence[Mapping[str, Any]], patterns: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what is wrong with lines of items.jsonl before they are in a pack; `patterns` are the named ones."""
    named = NamedPatterns(patterns)
    faults: list[str] = []
    parsed: list[ItemLine] = []
    for row in rows:
        where = str(row.get("id", "item"))
        line = _parse_line(json.dumps(row), where, faults)
        if line is not None:
            faults += [f"{where}: {fault}" for fault in _faults_of_item(line, named)]
            parsed.append(line)
    if faults:
        return faults
    return [f"{name}: {fault}" for name, fault in faults_of_pairs(_item(line, "", named) for line in parsed)]


def _named_patterns(exam: ExamFile, path: Path) -> NamedPatterns:
    try:
        return NamedPatterns(exam.patterns)
    except ValueError as error:
        line = _line_in(path, "patterns", str(error).partition(".")[0])
        raise WrongUse(f"{path}:{line}: patterns.{error}", hint=_HINT) from error


def _assemble(
    folder: Path,
    exam: ExamFile,
    named: NamedPatterns,
    items: list[Item],
    lines: dict[str, int],
    sources: str,
    exam_path: Path,
) -> ExamPack:
    shares = {
        Split.SCREEN: exam.splits.screen,
        Split.GATE: exam.splits.gate,
        Split.SEALED: exam.splits.sealed,
    }
    splits = assign_splits(items, shares, seed=exam.splits.seed, by=exam.splits.stratify)
    for split in (Split.SCREEN, Split.GATE):
        if split not in splits.values():
            line = _line_in(exam_path, "splits", split.value)
            raise WrongUse(
                f"{exam_path}:{line}: splits.{split.value}: no item falls into this split "
                f"({len({item.cluster for item in items})} clusters are too few)",
                hint="write more items, from more sources",
            )
    answer_rules = answer_rules_of(folder, exam.locale, exam.locale_checks, exam.facets)
    declines = tuple(named.expand(text) for text in exam.declines)
    texts = [
        *declines,
        *(text for item in items if item.kind.has_patterns for text in _patterns(item)),
    ]
    return ExamPack(
        folder=folder,
        name=exam.name,
        version=exam.version,
        locale=exam.locale,
        declines=declines,
        facets={
            name: FacetRule(_bar(name, rule, items), rule.gated, rule.method)
            for name, rule in exam.facets.items()
        },
        alpha=exam.alpha,
        cap=exam.cap,
        items=tuple(items),
        splits=splits,
        definition=_definition(exam, answer_rules),
        patterns=Patterns(texts, exam.whitespace, named.compile),
        lines=lines,
        sources=sources,
        judges={name: rule.judge for name, rule in exam.facets.items() if rule.judge is not None},
        matcher=Matcher(exam.match or MatchRule()),
        answer_rules=answer_rules,
    )


def _bar(facet: str, rule: FacetEntry, items: Sequence[Item]) -> float | None:
    if rule.threshold is None or not rule.gated:
        return rule.threshold
    return raised_bar(rule.threshold, rule.judge, [item for item in items if item.facet == facet])


def _definition(exam: ExamFile, answer_rules: AnswerRules | None) -> dict[str, Any]:
    """Return exam.yaml as data; a pack without what exams had not at first keeps the digest that it had."""
    value = exam.model_dump(mode="json")
    added_later: dict[str, Any] = {
        "patterns": {},
        "match": None,
        "asking": "worker",
        "max_tokens": None,
        "delimiter": "",
        "locale_checks": {},
    }
    for name, default in added_later.items():
        if value[name] == default:
            del value[name]
    for rule in value["facets"].values():
        for name in ("judge", "role", "margin", "limit"):
            if rule[name] is None:
                del rule[name]
    if answer_rules is not None:
        value["locale_rules"] = answer_rules.rules.digest
    return value


def _read_text(path: Path, limit: int = 4 << 20) -> str:
    try:
        if path.stat().st_size > limit:
            raise WrongUse(f"larger than {limit >> 20} MiB", where=str(path), hint=_HINT)
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise WrongUse(f"the pack has no {path.name}", where=str(path), hint=_HINT) from error
    except OSError as error:
        raise WrongUse(f"cannot be read ({error.strerror})", where=str(path), hint=_HINT) from error
    except UnicodeDecodeError as error:
        raise WrongUse("is not UTF-8 text", where=str(path), hint="save the file as UTF-8") from error


def _read_items(
    path: Path, exam: ExamFile, named: NamedPatterns, faults: list[str]
) -> tuple[list[Item], dict[str, int]]:
    items: list[Item] = []
    lines: dict[str, int] = {}
    stems: dict[str, int] = {}
    for number, raw in enumerate(_read_text(path, _MAX_ITEMS_BYTES).split("\n"), 1):
        if not raw.strip():
            continue
        where = f"{path}:{number}"
        line = _parse_line(raw, where, faults)
        if line is None:
            continue
        rule = exam.facets.get(line.facet or line.kind.value)
        judged = rule is not None and rule.judge is not None
        own = (*_faults_of_item(line, named, judged=judged), *_faults_of_rule(line, exam))
        found = [f"{where}: {fault}" for fault in own]
        faults.extend(found)
        if line.id in lines:
            faults.append(f"{where}: id: `{line.id}` is also on line {lines[line.id]}")
        stem = Whitespace.REMOVE.apply("\n".join([line.input, line.document, *sorted(line.choices)]))
        if stem in stems:
            faults.append(f"{where}: input: the same question is on line {stems[stem]}")
        lines.setdefault(line.id, number)
        stems.setdefault(stem, number)
        if not found:
            items.append(_item(line, exam.locale, named))
        if len(items) > _MAX_ITEMS:
            faults.append(f"{where}: more than {_MAX_ITEMS} items")
            break
    if not items and not faults:
        faults.append(f"{path}:1: the pack has no items")
    return items, lines


def _parse_line(raw: str, where: str, faults: list[str]) -> ItemLine | None:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        faults.append(f"{where}: not valid JSON ({error})")
        return None
    if not isinstance(value, dict):
        faults.append(f"{where}: a JSON object is expected")
        return None
    try:
        return ItemLine.model_validate(value)
    except ValidationError as error:
        for item in error.errors():
            place = ".".join(str(part) for part in item["loc"]) or "(line)"
            text = str(item["msg"])
            if item["type"] == "extra_forbidden":
                near = difflib.get_close_matches(place, ItemLine.model_fields, n=1, cutoff=0.5)
                text = f"unknown field; did you mean `{near[0]}`?" if near else "unknown field"
            elif item["type"] == "missing":
                text = "is required and missing"
            faults.append(f"{where}: {place}: {text}")
        return None


def _item(line: ItemLine, locale: str, named: NamedPatterns) -> Item:
    expand = named.expand if line.kind.has_patterns else str
    return Item(
        id=line.id,
        cluster=line.cluster or line.id,
        locale=line.locale or locale,
        facet=line.facet or line.kind.value,
        kind=line.kind,
        input=line.input,
        choices=line.choices,
        accept=tuple(map(expand, line.accept)),
        reject=tuple(map(expand, line.reject)),
        reference=line.reference,
        note=line.note,
        answer=line.answer,
        tags=line.tags,
        document=line.document,
        canary=line.canary,
    )


def _patterns(item: Item) -> tuple[str, ...]:
    return (*item.accept, *item.reject)


def _faults_of_item(line: ItemLine, named: NamedPatterns, *, judged: bool = False) -> Iterator[str]:
    if not line.input.strip():
        yield "input: is blank"
    if line.kind.has_options:
        yield from _faults_of_options(line)
        return
    if line.choices:
        yield f"choices: only choice items have them, not {line.kind.value}"
    if not line.accept and line.kind not in _RULED and not judged:
        yield "accept: at least one pattern is needed"
    yield from faults_of_canary(line.kind, line.input, line.document, line.canary, line.reject)
    if line.kind is Kind.MATCH:
        if line.reject:
            yield "reject: match items have none"
        return
    if line.kind is Kind.CORRECTION:
        if len(line.accept) != 1 or len(line.reject) > 1:
            yield "accept: exactly one corrected answer is expected, and under `reject` at most the one that it replaces"
        return
    for name, texts in (("accept", line.accept), ("reject", line.reject)):
        for index, text in enumerate(texts):
            if fault := _fault_of_pattern(text, named):
                yield f"{name}.{index}: {fault}"


def _faults_of_rule(line: ItemLine, exam: ExamFile) -> Iterator[str]:
    if is_ruled(line):
        locale = line.locale or exam.locale
        if locale.split("-")[0].lower() not in refusal_languages():
            known = ", ".join(refusal_languages())
            yield f"locale: there is no refusal rule for {locale} (there is for {known}); give `accept` patterns"


def _faults_of_options(line: ItemLine) -> Iterator[str]:
    if len(line.choices) < 2:
        yield f"choices: a {line.kind.value} item needs at least two"
    if any(not choice.strip() for choice in line.choices):
        yield "choices: one is blank"
    if len({Whitespace.REMOVE.apply(choice) for choice in line.choices}) != len(line.choices):
        yield "choices: two are the same"
    if line.kind is Kind.DILEMMA:
        yield from faults_of_letters(line.choices, line.accept, line.reject)
        return
    if line.kind is Kind.SURVEY:
        yield from faults_of_shares(line.choices, line.accept, line.reject)
        return
    letters = LETTERS[: len(line.choices)]
    if len(line.accept) != 1 or len(line.accept[0]) != 1 or line.accept[0] not in letters:
        yield f"accept: exactly one letter of {', '.join(letters) or 'the choices'} is expected"
    if line.reject:
        yield "reject: choice items have none"


def _fault_of_pattern(text: str, named: NamedPatterns) -> str:
    try:
        named.compile(named.expand(text))
    except ValueError as error:
        return f"{error} ({text[:60]!r})" if len(text) <= MAX_PATTERN_CHARS else str(error)
    return ""


def _faults_of_exam(exam: ExamFile, named: NamedPatterns, path: Path) -> Iterator[str]:
    for index, text in enumerate(exam.declines):
        if fault := _fault_of_pattern(text, named):
            yield f"{path}:{_line_in(path, 'declines', index)}: declines.{index}: {fault}"
    for kind, version in exam.scorers.items():
        known = SCORER_VERSIONS[kind]
        if version != known:
            line = _line_in(path, "scorers", kind.value)
            yield f"{path}:{line}: scorers.{kind.value}: version {version} is not known here (known: {known})"
    yield from _faults_of_match_rule(exam, path)


def _faults_of_match_rule(exam: ExamFile, path: Path) -> Iterator[str]:
    try:
        Matcher(exam.match or MatchRule())
    except ValueError as error:
        yield f"{path}:{_line_in(path, 'match')}: match: {error}"
    if exam.delimiter and exam.asking != "continuation":
        yield f"{path}:{_line_in(path, 'delimiter')}: delimiter: only prompts for a bare model have one"


def _faults_across(
    exam: ExamFile, exam_path: Path, items: list[Item], items_path: Path, lines: dict[str, int]
) -> Iterator[str]:
    counts = Counter(item.facet for item in items)
    for item in items:
        where = f"{items_path}:{lines[item.id]}"
        if item.facet not in exam.facets:
            near = difflib.get_close_matches(item.facet, exam.facets, n=1, cutoff=0.5)
            ask = f"; did you mean `{near[0]}`?" if near else ""
            yield f"{where}: facet: `{item.facet}` is not under `facets` in {exam_path.name}{ask}"
        if item.kind not in exam.scorers:
            yield f"{where}: kind: `{item.kind.value}` has no version under `scorers` in {exam_path.name}"
    faults = faults_of_pairs(items)
    yield from (f"{items_path}:{lines[item_id]}: {fault}" for item_id, fault in faults)
    gated = next((name for name, rule in exam.facets.items() if rule.gated), None)
    if gated is not None and any(item.kind is Kind.SURVEY for item in items):
        yield (
            f"{exam_path}:{_line_in(exam_path, 'facets', gated, 'gated')}: facets.{gated}.gated: a pack with survey "
            "items gates nothing; put them into a pack of their own"
        )
    for name, rule in exam.facets.items():
        own = [item for item in items if item.facet == name]
        if rule.gated and (unfit := unfit_for_gate(rule.judge, own, exam.locale)):
            line = _line_in(exam_path, "facets", name, "gated")
            yield f"{exam_path}:{line}: facets.{name}.gated: {unfit}; set `gated: false` or measure it"
        if not counts[name]:
            yield f"{exam_path}:{_line_in(exam_path, 'facets', name)}: facets.{name}: no item has this facet"
            continue
        least = chance_of(item for item in items if item.facet == name) + CHANCE_MARGIN
        if rule.threshold is not None and rule.threshold < least - 1e-9:
            line = _line_in(exam_path, "facets", name, "threshold")
            yield (
                f"{exam_path}:{line}: facets.{name}.threshold: {rule.threshold:g} is under chance + "
                f"{CHANCE_MARGIN:.2f} = {least:.3g}; a bar that guessing nearly clears proves nothing"
            )


def _line_in(path: Path, *place: str | int) -> int:
    """Return the line of a field in a YAML file that has been read once already."""
    node: Any = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    line = 1
    for part in place:
        if isinstance(node, CommentedMap) and part in node:
            line = int(node.lc.key(part)[0]) + 1
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            line = int(node.lc.item(part)[0]) + 1
        else:
            break
        node = node[part]
    return line
