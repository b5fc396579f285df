"""The prompt book of a locale and the policy of a job: everything an agent is told, from packaged data.

Wording lives in `data/prompts-<locale>.yaml`; numbers that decide live here with the set they were fixed on.
"""

from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict
from ruamel.yaml import YAML

from staffroom.records.errors import WrongUse
from staffroom.records.job_description import JobDescription
from staffroom.records.policy import AgentPolicy, Demonstration, PromptBook, VerdictProbe

__all__ = ["agent_policy", "prompt_book", "verdict_probes"]


class _Shown(BaseModel):
    model_config = ConfigDict(extra="forbid")
    excerpts: str
    question: str
    verdict: str
    answer: str


class _Probe(BaseModel):
    model_config = ConfigDict(extra="forbid")
    excerpts: str
    answered: str
    unanswered: str
    refused: str


class _Book(BaseModel):
    model_config = ConfigDict(extra="forbid")
    locale: str
    system: str
    answer_word: str
    nothing_word: str
    refuse_word: str
    excerpt: str
    question: str
    choice: str
    choice_end: str
    must: str
    must_not: str
    refuse: str
    declined_text: str
    refused_text: str
    excerpt_characters: int
    demonstrations: list[_Shown]
    probes: list[_Probe]


def prompt_book(job: JobDescription) -> PromptBook:
    """Return the wording for a job: the locale's book with the charter's statements in the system prompt."""
    book = _load(job.locale)
    charter = job.charter
    lines = [book.system.strip()]
    for heading, statements in (
        (book.must, charter.must),
        (book.must_not, charter.must_not),
        (book.refuse, charter.refuse),
    ):
        if statements:
            lines.append(heading.strip() + "\n" + "\n".join(f"- {statement}" for statement in statements))
    return PromptBook(
        locale=book.locale,
        system="\n".join(lines),
        answer_word=book.answer_word,
        nothing_word=book.nothing_word,
        refuse_word=book.refuse_word,
        excerpt=book.excerpt.rstrip("\n"),
        question=book.question.rstrip("\n"),
        choice=book.choice.rstrip("\n") + "\n",
        choice_end=book.choice_end.rstrip("\n"),
        demonstrations=tuple(
            Demonstration(shown.excerpts.strip(), shown.question, shown.verdict, shown.answer)
            for shown in book.demonstrations
        ),
    )


def agent_policy(job: JobDescription) -> AgentPolicy:
    """Return how the agent of a job decides, before its candidate's leaning is known (both middles are 0).

    The odds and probabilities were fixed on questions written for that purpose, none of which is in an exam
    (`design/answers.md` has the figures).
    """
    book = _load(job.locale)
    return AgentPolicy(
        locale=job.locale,
        turn_to=job.charter.turn_to,
        ai_notice=job.charter.ai_notice,
        declined_text=book.declined_text.strip().format(turn_to=job.charter.turn_to),
        refused_text=book.refused_text.strip().format(turn_to=job.charter.turn_to),
        excerpts=3,
        excerpt_characters=book.excerpt_characters,
        disagreement_weight=0.3,
        support_weight=30.0,
        support_cosine=0.885,
        decline_log_odds=-0.8,
        doubt_log_odds=-2.0,
        refuse_log_odds=2.0,
        request_threshold=0.85,
        max_tokens=120,
        repair_locale=job.charter.repair_locale,
        choice_excerpts=2,
    )


def verdict_probes(locale: str) -> tuple[VerdictProbe, ...]:
    """Return the questions with a known verdict that every candidate is asked before its exam."""
    return tuple(
        VerdictProbe(probe.excerpts.strip(), probe.answered, probe.unanswered, probe.refused)
        for probe in _load(locale).probes
    )


@cache
def _load(locale: str) -> _Book:
    source = files("staffroom.onboard").joinpath(f"data/prompts-{locale}.yaml")
    if not source.is_file():
        raise WrongUse(
            f"there is no prompt book for the locale {locale}",
            hint="use zh-TW or en, or add a prompts file for the locale",
        )
    return _Book.model_validate(YAML(typ="safe").load(source.read_text(encoding="utf-8")))
