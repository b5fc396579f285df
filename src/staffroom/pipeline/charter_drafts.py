"""Drafts of charter items on their way into a pack: proposed, decided on by a person, written one by one.

Nothing enters a pack without a decision. An accepted draft is written in this order, each file replaced whole:
1. `drafts.jsonl`: that it is being accepted, by which office;
2. `items.jsonl`: its lines;
3. `drafts.jsonl`: that it is accepted;
4. `exam.yaml` (facets, scorers, patterns that the lines need) and the authors' list in `SOURCES.md`, made from the
   others.
After a crash the next opening finishes what had its lines, and proposes the rest again.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from staffroom.evaluate import ExamFile, load_pack
from staffroom.evaluate.charter import (
    CharterWords,
    Draft,
    Proposal,
    Statement,
    StatementKind,
    charter_words,
    propose,
    read_statements,
    statements_of,
)
from staffroom.evaluate.pack import faults_of_rows
from staffroom.evaluate.survey import read_survey
from staffroom.pipeline.pack_files import new_exam_file, sync_exam_file, sync_sources
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Kind
from staffroom.records.job_description import JobDescription
from staffroom.records.source_file import read_yaml_model
from staffroom.store import make_folder, utc_now, write_durably
from staffroom.text import language_of

__all__ = ["Decision", "Draft", "Drafting", "open_drafting"]

_LOCALES = (("zh", "zh-TW"), ("en", "en"), ("sv", "sv-SE"), ("ar", "ar-SA"))
_MAX_BYTES = 1 << 20
_CHARTER_HINT = "give its sections headings such as `It must`, `It must not`, `What it refuses`, `Whom to turn to`, `Elections`"


class Decision(StrEnum):
    """What was decided on a draft; `accepting` is on the way to one of the two that follow it."""

    ACCEPTING = "accepting"
    ACCEPTED = "accepted"
    EDITED = "edited"
    REJECTED = "rejected"


@dataclass(slots=True)
class Drafting:
    """The drafts of one source for one pack, and what has been decided on them; opened by `open_drafting`."""

    source: Path
    pack: Path
    locale: str
    words: CharterWords
    sponsor: str
    proposal: Proposal
    foreign_items: int = 0
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _counted_up: bool = False

    def add(self, drafts: Iterable[Draft]) -> None:
        """Add drafts from elsewhere, such as those that a model worded; known ones are left out."""
        known = {draft.digest for draft in self.proposal.drafts}
        more = tuple(draft for draft in drafts if draft.digest not in known)
        self.proposal = Proposal((*self.proposal.drafts, *more), self.proposal.unmatched)

    def decided(self, draft: Draft) -> dict[str, Any] | None:
        """Return the decision on a draft, None while it waits."""
        rows = [row for row in self._rows if row["draft"] == draft.digest]
        return rows[-1] if rows and rows[-1]["decision"] != Decision.ACCEPTING.value else None

    def waiting(self) -> tuple[Draft, ...]:
        """Return the drafts that nobody has decided on."""
        return tuple(draft for draft in self.proposal.drafts if self.decided(draft) is None)

    def accept(
        self, draft: Draft, office: str, sides: Sequence[Mapping[str, Any]] | None = None
    ) -> tuple[str, ...]:
        """Write a draft into the pack, as edited where `sides` are given, and return its items' ids.

        Raises WrongUse, and writes nothing, where the edited lines are no valid items.
        """
        lines = draft.lines(sides)
        if faults := faults_of_rows(lines, self.words.patterns):
            raise WrongUse("\n".join(faults), hint="edit it again, or reject it")
        edited = sides is not None and [dict(side) for side in sides] != [dict(side) for side in draft.sides]
        make_folder(self.pack)
        ids = tuple(line["id"] for line in lines)
        self._record(draft, Decision.ACCEPTING, office, ids, edited=edited)
        kept = _read(self.pack / "items.jsonl")
        kept += "" if not kept or kept.endswith("\n") else "\n"
        kept += "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write_durably(self.pack / "items.jsonl", kept.encode())
        self._record(draft, Decision.EDITED if edited else Decision.ACCEPTED, office, ids, edited=edited)
        self._sync(count_up=not self._counted_up)
        self._counted_up = True
        return ids

    def reject(self, draft: Draft, office: str) -> None:
        """Record that a draft is not wanted; it is not proposed again as long as its wording is the same."""
        make_folder(self.pack)
        self._record(draft, Decision.REJECTED, office, ())

    def as_json(self) -> dict[str, Any]:
        """Return all drafts with their decisions, and whether the pack loads as it stands."""
        drafts = [
            {
                "name": draft.name,
                "draft": draft.digest,
                "kind": draft.kind.value,
                "by": draft.by,
                "statement": draft.statement.as_json(),
                "items": draft.lines(),
                "decision": row["decision"] if (row := self.decided(draft)) else None,
                "office": row["office"] if row else None,
            }
            for draft in self.proposal.drafts
        ]
        says = self._why_not_ready()
        return {
            "source": str(self.source),
            "pack": str(self.pack),
            "locale": self.locale,
            "drafts": drafts,
            "waiting": len(self.waiting()),
            "unmatched": [statement.as_json() for statement in self.proposal.unmatched],
            "foreign_items": self.foreign_items,
            "ready": not says,
            "says": says,
        }

    def recover(self) -> None:
        """Finish what an interrupted acceptance had written, and bring the files made from the others up to date."""
        present = _ids(self.pack)
        for row in self._rows:
            if row["decision"] == Decision.ACCEPTING.value and set(row["items"]) <= present:
                row["decision"] = (Decision.EDITED if row["edited"] else Decision.ACCEPTED).value
        own = {name for row in self._rows for name in row["items"]}
        self.foreign_items = len(present - own)
        if own & present:
            self._write_rows()
            self._sync()

    def _record(
        self, draft: Draft, decision: Decision, office: str, ids: Sequence[str], *, edited: bool = False
    ) -> None:
        # A decision takes the place of the note that it was under way.
        begun = Decision.ACCEPTING.value
        self._rows = [row for row in self._rows if (row["draft"], row["decision"]) != (draft.digest, begun)]
        self._rows.append(
            {
                "draft": draft.digest,
                "name": draft.name,
                "decision": decision.value,
                "edited": edited,
                "by": draft.by,
                "office": office,
                "date": utc_now().date().isoformat(),
                "charter": self.source.name,
                "items": list(ids),
            }
        )
        self._write_rows()

    def _write_rows(self) -> None:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self._rows)
        write_durably(self.pack / "drafts.jsonl", text.encode())

    def _sync(self, *, count_up: bool = False) -> None:
        present = _ids(self.pack)
        done = (Decision.ACCEPTED.value, Decision.EDITED.value)
        rows = [row for row in self._rows if row["decision"] in done and set(row["items"]) & present]
        own = {name for row in rows for name in row["items"]}
        lines = [line for line in _lines(self.pack) if line.get("id") in own]
        exam = self.pack / "exam.yaml"
        if not exam.exists():
            write_durably(exam, new_exam_file(_slug(self.pack), self.words))
            count_up = False
        sync_exam_file(exam, lines, self.words, count_up=count_up)
        sync_sources(self.pack / "SOURCES.md", rows, self.words)

    def _why_not_ready(self) -> str:
        if not (self.pack / "exam.yaml").exists():
            return "nothing has been accepted yet"
        try:
            load_pack(self.pack)
        except WrongUse as error:
            return error.message
        return ""


def open_drafting(source: Path, pack: Path, locale: str = "") -> Drafting:
    """Read a job description (.yaml), a charter (.md) or a survey (.csv), and propose its drafts for a pack.

    locale: of the drafts; else that of the job, of the pack, or of the charter's language. Raises WrongUse for a
    source without statements, and for a pack of another locale or treatment of whitespace.
    """
    suffix = source.suffix.lower()
    job: JobDescription | None = None
    if suffix in (".yaml", ".yml"):
        job = read_yaml_model(
            source, JobDescription, hint="mend the file; `staffroom schema job` lists the fields"
        )
    elif suffix not in (".md", ".markdown", ".csv"):
        raise WrongUse(
            "a job description (.yaml), a charter (.md) or a survey (.csv) is expected",
            where=str(source),
            hint="staffroom exam draft job.yaml PACK",
        )
    exam_path = pack / "exam.yaml"
    exam = (
        read_yaml_model(exam_path, ExamFile, hint="mend it, or name another folder")
        if exam_path.exists()
        else None
    )
    text = "" if job is not None or suffix == ".csv" else _text(source)
    found = locale or (job.locale if job else "") or (exam.locale if exam else "") or _guessed(text)
    if not found:
        raise WrongUse("its language is not clear", where=str(source), hint="name it: --locale zh-TW")
    words = charter_words(found)
    if exam is not None and (exam.locale != found or exam.whitespace != words.whitespace):
        what = f"{exam.locale}, whitespace {exam.whitespace.value}"
        raise WrongUse(
            f"the pack is for {what}; the drafts are for {found}, whitespace {words.whitespace.value}",
            where=str(exam_path),
            hint="name another folder: charter items are best in a pack of their own",
        )
    proposal = (
        _survey(source)
        if suffix == ".csv"
        else propose(words, _statements(source, job, text, words), _desk(job, words))
    )
    drafting = Drafting(
        source=source,
        pack=pack,
        locale=found,
        words=words,
        sponsor=job.sponsor if job else "",
        proposal=proposal,
        _rows=_kept_rows(pack / "drafts.jsonl"),
    )
    drafting.recover()
    return drafting


def _statements(
    source: Path, job: JobDescription | None, text: str, words: CharterWords
) -> tuple[Statement, ...]:
    if job is not None:
        found = statements_of(job.charter, source.name)
        file = job.charter.file
        if file is None:
            return found
        path = source.absolute().parent / file
        return (*found, *read_statements(_text(path), file.name, words))
    found = read_statements(text, source.name, words)
    if not found:
        raise WrongUse("no statement of a charter was found", where=str(source), hint=_CHARTER_HINT)
    return found


def _desk(job: JobDescription | None, words: CharterWords) -> str:
    return job.title if job is not None and words.title_as_desk else ""


def _survey(source: Path) -> Proposal:
    drafts = []
    for number, question in enumerate(read_survey(source), 1):
        statement = Statement(StatementKind.NEUTRAL, question.question, f"{source.name}: {number}")
        line = question.line(f"{source.name}: {number}")
        drafts.append(Draft(f"survey-{number}", Kind.SURVEY, statement, (line,), by=source.name))
    return Proposal(tuple(drafts), ())


def _guessed(text: str) -> str:
    return dict(_LOCALES).get(language_of(text) or "", "")


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise WrongUse("larger than 1 MiB", where=str(path), hint="name the charter itself")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise WrongUse(f"cannot be read ({error.strerror})", where=str(path), hint="mend the path") from error
    except UnicodeDecodeError as error:
        raise WrongUse("is not UTF-8 text", where=str(path), hint="save the file as UTF-8") from error


def _kept_rows(path: Path) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(_read(path).splitlines(), 1):
        try:
            row = json.loads(line)
            date.fromisoformat(row["date"])
            Decision(row["decision"])
            complete = {"draft", "name", "by", "office", "charter", "edited", "items"} <= set(row)
        except (ValueError, KeyError, TypeError) as error:
            raise WrongUse(
                f"not a decision ({error})", where=f"{path}:{number}", hint="mend or remove the line"
            ) from error
        if not complete:
            raise WrongUse("not a decision", where=f"{path}:{number}", hint="mend or remove the line")
        rows.append(row)
    return rows


def _read(path: Path) -> str:
    return _text(path) if path.exists() else ""


def _lines(pack: Path) -> list[dict[str, Any]]:
    """Return the lines of items.jsonl that are objects; what is wrong with others is for the loader to say."""
    found = []
    for line in _read(pack / "items.jsonl").splitlines():
        try:
            value = json.loads(line) if line.strip() else None
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _ids(pack: Path) -> set[str]:
    return {str(line.get("id")) for line in _lines(pack)}


def _slug(pack: Path) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", pack.absolute().name.lower()).strip("-")[:63]
    return name or "charter"
