"""The job description: one YAML file that is the only configuration of a run.

Field descriptions are shown by `staffroom schema job` and in the starter of `staffroom init`.
"""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from staffroom.records.guardrail_settings import ForbiddenTopic, GuardrailSettings, RequiredPhrase
from staffroom.records.tasks import Task
from staffroom.records.tools import HttpTool, Tool

__all__ = [
    "AdapterTraining",
    "Budget",
    "Charter",
    "DocumentRef",
    "Improvement",
    "JobDescription",
    "Policy",
    "Price",
    "Requirements",
    "Triggers",
]

_NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Charter(_Strict):
    """What the worker must and must not say or do, in plain language."""

    file: Path | None = Field(None, description="A Markdown file with the whole charter, shown to auditors.")
    must: tuple[str, ...] = Field((), description="Short statements of what every answer must do.")
    must_not: tuple[str, ...] = Field((), description="Short statements of what no answer may do.")
    turn_to: str = Field(
        description="The person or office to turn to when the worker declines, with phone or address.",
        min_length=2,
    )
    ai_notice: str = Field(description="The notice that one talks to an AI.", min_length=4)
    refuse: tuple[str, ...] = Field((), description="Kinds of request that are refused, in plain language.")
    forbidden_topics: tuple[ForbiddenTopic, ...] = Field(
        (), description="Topics by their words: a request with one is refused, an answer ends before one."
    )
    required_phrases: tuple[RequiredPhrase, ...] = Field(
        (), description="Texts that answers must contain, word for word."
    )
    repair_locale: bool = Field(
        True,
        description="Repair script and regional wording of answers to the job's locale. "
        "The raw answer is measured and reported either way.",
    )


class DocumentRef(_Strict):
    """A document, or a folder of documents, that the worker answers from."""

    path: Path = Field(description="File or folder, relative to the job description.")
    as_of: str | None = Field(
        None, description="Date up to which the document holds (YYYY-MM-DD).", pattern=r"^\d{4}-\d{2}-\d{2}$"
    )

    @field_validator("as_of")
    @classmethod
    def _is_a_date(cls, value: str | None) -> str | None:
        if value is not None:
            date.fromisoformat(value)
        return value


class Requirements(_Strict):
    """What a candidate's model file must bring to be admitted."""

    context: int = Field(4096, ge=512, description="Context length in tokens that the job needs.")
    licenses: tuple[str, ...] = Field(
        ("Apache-2.0", "MIT", "BSD-3-Clause", "CC-BY-4.0"),
        description="SPDX identifiers, or names of model licences, that are allowed.",
    )
    allow_endpoints: bool = Field(
        False, description="Allow candidates behind a server, whose weights cannot be bound by digest."
    )


class Policy(_Strict):
    """Where the worker may run and what it may touch."""

    residency: str = Field("own-machines", description="Where data may be kept.")
    egress: tuple[str, ...] = Field((), description="Hosts that may be called; empty means none.")
    autonomy: Annotated[
        int, Field(ge=1, le=5, description="Autonomy level 1 (operator) to 5 (observer).")
    ] = 1
    tools: tuple[Tool, ...] = Field(
        (), description="Function tools, each with its risk; see the guide on tools."
    )
    data_classes: tuple[str, ...] = Field(("public",), description="Classes of data the worker may see.")
    retention_days: int = Field(
        180, ge=1, description="Days that duty records are kept (at least 180 for regulated use)."
    )
    guardrails: GuardrailSettings = GuardrailSettings()
    skip_bad_documents: bool = Field(
        False, description="Go on without documents that cannot be read, naming each."
    )

    @field_validator("tools")
    @classmethod
    def _each_once(cls, value: tuple[Tool, ...]) -> tuple[Tool, ...]:
        if len({tool.name for tool in value}) != len(value):
            raise ValueError("two tools have the same name")
        return value

    @model_validator(mode="after")
    def _egress_declared(self) -> "Policy":
        for tool in self.tools:
            if isinstance(tool, HttpTool) and tool.host not in self.egress:
                raise ValueError(f"tool `{tool.name}` calls {tool.host}, which is not in `egress`")
        return self


class Price(_Strict):
    """A declared price, so that costs can be compared; money is a decimal with a currency."""

    currency: str = Field("TWD", pattern=r"^[A-Z]{3}$", description="ISO 4217 code.")
    per_million_tokens_in: Decimal = Field(Decimal("0"), ge=0, description="Price of a million tokens read.")
    per_million_tokens_out: Decimal = Field(
        Decimal("0"), ge=0, description="Price of a million tokens written."
    )
    per_machine_hour: Decimal | None = Field(
        None, ge=0, description="Price of an hour of the machine, for reports; the race goes by tokens alone."
    )


class Budget(_Strict):
    """What the worker may use."""

    price: Price = Field(Price(), description="Declared price of tokens on the organisation's machines.")
    prices: dict[str, Price] = Field({}, description="Declared price for single candidates, by their name.")
    tokens_per_day: int | None = Field(None, ge=1, description="Tokens a day that the worker may use.")


class Triggers(_Strict):
    """When `staffroom improve --due` says that a worker should be looked at; nothing starts by itself."""

    new_corrections: int | None = Field(
        50, ge=1, description="So many accepted corrections since the last improvement; null for never."
    )
    thumbs_down: bool = Field(
        True, description="Thumbs down on one topic above the control limit of the worker's own rate."
    )
    retrieval_misses: bool = Field(
        True, description="Answers without a passage found, or declined, above the control limit of the past."
    )
    documents_changed: bool = Field(True, description="Documents are other ones than were released.")
    base_replaced: bool = Field(
        True, description="The model that was released is no longer a candidate of the job."
    )


class AdapterTraining(_Strict):
    """An adapter trained on the corrections, as one of the proposals of `staffroom improve`."""

    tried: bool = Field(
        True, description="Whether an adapter is trained at all, where the extra `train` is installed."
    )
    examples: tuple[Path, ...] = Field(
        (),
        description="Files of further examples, relative to the job description: examples that were made from documents, "
        "chats as JSON lines, questions and answers as CSV, qna.yaml.",
    )
    minutes: int = Field(
        60, ge=1, description="A training that would take longer, by its estimate, is not begun."
    )
    epochs: int = Field(2, ge=1, le=20, description="How often each example is learnt.")
    rank: int = Field(8, ge=1, le=64, description="Rank of the adapter's matrices.")
    learning_rate: float = Field(2e-4, gt=0, le=0.01, description="Highest learning rate.")
    remember: tuple[str, ...] = Field(
        (),
        description="Exam packs, by folder or name, that a worker with a new adapter may not do worse on; without any the safety packs "
        "that come with the program, in the job's language and in English.",
    )
    remember_items: int = Field(60, ge=10, description="How many items of each of these packs are asked.")


class Improvement(_Strict):
    """How a released worker may be replaced by a better one; see `staffroom improve`."""

    accept_from: tuple[str, ...] = Field(
        (),
        description="People whose edits and verdicts are accepted at once, where no personal data is suspected.",
    )
    replacement: Literal["none", "cheaper", "smaller", "forced"] = Field(
        "none",
        description="For what kind of candidate it suffices not to be worse: one with cheaper tokens, with a smaller "
        "model file, or any (`forced`: the incumbent must go). It is declared before the run and logged.",
    )
    margin: float = Field(
        0.05, gt=0, lt=1, description="What `not worse` means for such a replacement, on the task."
    )
    regression_margin: float = Field(
        0.10, gt=0, lt=1, description="What `not worse` means on the cases that were corrected before."
    )
    examples_shown: int = Field(
        2, ge=1, le=8, description="Corrections that a question is shown as worked examples, if they help."
    )
    adapter: AdapterTraining = Field(
        AdapterTraining(), description="Training of an adapter on the corrections."
    )
    triggers: Triggers = Field(Triggers(), description="When the worker is due for an improvement.")


class JobDescription(_Strict):
    """One worker's job: who answers for it, what it must say, what it reads, and how it is examined."""

    name: str = Field(pattern=_NAME, description="Short name: lower-case letters, digits and hyphens.")
    title: str = Field(min_length=1, description="What people call this worker.")
    sponsor: str = Field(
        min_length=2, description="The accountable person or office that signs off a release."
    )
    locale: Literal["zh-TW", "sv-SE", "ar-SA", "en"] = Field(
        description="Language and region of the answers."
    )
    charter: Charter
    documents: tuple[DocumentRef, ...] = Field(min_length=1, description="What the worker answers from.")
    candidates: tuple[str, ...] = Field(
        min_length=1,
        description="Starter names, digests or names from `staffroom models list`, files, or server URLs.",
    )
    exam: Path = Field(description="Folder of the exam pack, relative to the job description.")
    alias: str = Field(pattern=_NAME, description="The name that clients ask for as `model`.")
    requirements: Requirements = Requirements()
    training: Literal["none"] = Field(
        "none",
        description="Training before the first hire; none is made. What `staffroom improve` trains stands in "
        "`improvement.adapter`.",
    )
    policy: Policy = Policy()
    budget: Budget = Budget()
    improvement: Improvement = Improvement()
    tasks: tuple[Task, ...] = Field(
        (),
        max_length=500,
        description="What the worker is for, task by task, for `staffroom exam coverage`; no run depends on it.",
    )

    @field_validator("tasks")
    @classmethod
    def _named_once(cls, value: tuple[Task, ...]) -> tuple[Task, ...]:
        if len({task.id for task in value}) != len(value):
            raise ValueError("two tasks have the same id")
        return value

    @field_validator("candidates")
    @classmethod
    def _unique(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("the same candidate is named twice")
        return value

    def as_json(self) -> dict[str, Any]:
        """Return what a run depends on as canonical JSON data: without the tasks, and without what is not declared."""
        value = self.model_dump(mode="json", exclude={"tasks"})
        if self.improvement == Improvement():
            del value["improvement"]
        elif self.improvement.adapter == AdapterTraining():
            del value["improvement"]["adapter"]
        for price in (value["budget"]["price"], *value["budget"]["prices"].values()):
            if price["per_machine_hour"] is None:
                del price["per_machine_hour"]
        return value
