"""The assembled agent: what the exam asks and the gateway serves is this one class.

An answer comes about in this order; every automatic choice leaves its reason in the answer:
1. guard the request: mask what the model needs not see, refuse what the charter refuses, before any document is looked at;
2. retrieve excerpts, and mask what they should not show;
3. let the model say in one token whether the excerpts answer, do not answer, or the request is to be refused;
   decline where its doubt, with that of the retrieval, is too great, or where no excerpt can hold the answer;
4. generate, sentence by sentence; a sentence with a number or a quotation that stands in no excerpt is not released;
5. repair script and wording to the locale where the charter says so; let the guardrails mask or end what is served;
6. attach citations and the phrases that the charter requires.

It does not know who asks, what it costs, or that there are exams. It does not protect against a model that
words a falsehood without numbers.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from staffroom.engine.protocols import Decoding, Engine, Generation, Piece, Prompt
from staffroom.records.agent import (
    AgentAnswer,
    AgentSpec,
    ChatTurn,
    ChoiceAnswer,
    Outcome,
    Retrieved,
)
from staffroom.records.guardrails import GuardrailPlan, Stage, Verdict
from staffroom.records.policy import AgentPolicy, Demonstration, PromptBook
from staffroom.records.protocols import Retriever, TextListener
from staffroom.serve.doubt import disagreement, missing_quantity, possible_answers
from staffroom.serve.grounding import Grounding, cite, shown_excerpts, split_sentence
from staffroom.serve.guardrails import GuardModel, Tally, TextGuard, guard_excerpts
from staffroom.serve.options import OPTIONS_BEGIN, ask_orders, cyclic_orders, option_lines
from staffroom.serve.overlay import OverlaidRetriever
from staffroom.serve.released import ReleasedText
from staffroom.serve.verdict import VerdictOdds, read_verdict, with_verdict

__all__ = ["DocumentAgent", "ExampleSource", "RequestGuard", "ShownTurns"]

_QUESTION_CHARACTERS = 1200
_SHORT_FOLLOW_UP = 14
_HISTORY_TURNS = 2
_VERDICT_TOKENS = 8
_HARMLESS = 0.1
"""Below this probability of the request guard a question that cannot be answered is declined without asking the model."""


class RequestGuard(Protocol):
    """Says how likely a request is one that the charter refuses."""

    @property
    def digest(self) -> str:
        """Digest of the guard's model."""
        ...

    def refuse_probability(self, request: str) -> float:
        """Return a probability in [0, 1]."""
        ...


class ExampleSource(Protocol):
    """Finds the worked examples that a question is shown."""

    def nearest(self, question: str) -> tuple[Demonstration, ...]:
        """Return the examples, the nearest last."""
        ...


@dataclass(frozen=True, slots=True)
class ShownTurns:
    """What the model is shown for a conversation: the turns before its template is applied, and the excerpts in them."""

    turns: tuple[ChatTurn, ...]
    found: tuple[Retrieved, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    question: str
    found: tuple[Retrieved, ...]
    shown: str
    prompt: Prompt
    tokens_in: int = 0


class DocumentAgent:
    """Answers from documents through one engine; see the module for the order in which it decides."""

    def __init__(
        self,
        spec: AgentSpec,
        engine: Engine,
        retriever: Retriever,
        book: PromptBook,
        policy: AgentPolicy,
        guard: RequestGuard,
        plan: GuardrailPlan | None = None,
        guard_model: GuardModel | None = None,
        examples: ExampleSource | None = None,
    ) -> None:
        self._spec = spec
        self._engine = engine
        self._retriever = retriever
        self._book = book
        self._policy = policy
        self._guard = guard
        self._rails = TextGuard(plan or GuardrailPlan(policy.locale))
        self._guard_model = guard_model
        self._examples = examples
        self._roots: dict[bool, str] = {}

    @property
    def spec(self) -> AgentSpec:
        """What the agent is made of."""
        return self._spec

    @property
    def policy(self) -> AgentPolicy:
        """How it decides, and the notice that one talks to an AI."""
        return self._policy

    @property
    def text_guard(self) -> TextGuard:
        """Its guardrails, for whoever passes texts of this worker through without the agent."""
        return self._rails

    @property
    def retriever(self) -> Retriever:
        """What finds its excerpts."""
        return self._retriever

    def shown_for(self, question: str, limit: int) -> tuple[tuple[Retrieved, ...], str]:
        """Return what is found for a question, and how it would be shown to the model; no engine is needed."""
        found = tuple(self._retriever.search(question, limit))
        return found, self._excerpts(found)

    async def shown_turns(
        self, turns: Sequence[ChatTurn], excerpts: Sequence[Retrieved] | None = None
    ) -> ShownTurns | None:
        """Return what the model is shown for a conversation, as `answer` shows it; no engine is needed.

        excerpts: shown instead of those that are found.  None where a guardrail refuses the request beforehand. A conversation too
        long for the context is not shortened here.
        """
        turns, forbidden = await self._guarded(turns, Tally())
        if forbidden:
            return None
        question, history = turns[-1].content.strip()[:_QUESTION_CHARACTERS], _history(turns[:-1])
        found, _ = (
            await self._found(_sought(history, question), self._policy.excerpts)
            if excerpts is None
            else self._masked(excerpts)
        )
        text = self._book.question.format(excerpts=self._excerpts(found), question=question)
        return ShownTurns(tuple(self._turns(history, text, await self._nearest(question))), found)

    def reading(self, excerpts: Sequence[Retrieved]) -> "DocumentAgent":
        """Return the same agent, which finds these excerpts first whatever it is asked."""
        found = OverlaidRetriever(self._retriever, excerpts)
        agent = DocumentAgent(
            self._spec,
            self._engine,
            found,
            self._book,
            self._policy,
            self._guard,
            self._rails.plan,
            self._guard_model,
            self._examples,
        )
        agent._roots = self._roots
        return agent

    async def answer(
        self, turns: Sequence[ChatTurn], *, seed: int = 0, on_text: TextListener | None = None
    ) -> AgentAnswer:
        """Answer the last user turn; `on_text` gets the served text sentence by sentence."""
        tally = Tally()
        answer = await self._answer(turns, seed, on_text, tally)
        return replace(answer, rulings=tally.rulings)

    async def _answer(
        self, turns: Sequence[ChatTurn], seed: int, on_text: TextListener | None, tally: Tally
    ) -> AgentAnswer:
        turns, forbidden = await self._guarded(turns, tally)
        if forbidden:
            return self._fixed(Outcome.REFUSED, f"guardrail {forbidden}", (), 0, on_text, {})
        question = turns[-1].content.strip()[:_QUESTION_CHARACTERS]
        risk = await asyncio.to_thread(self._guard.refuse_probability, question)
        if risk >= self._policy.request_threshold:
            return self._fixed(Outcome.REFUSED, f"request guard {risk:.2f}", (), 0, on_text, {"guard": risk})
        asked = await self._ask(turns, question, tally)
        if risk < _HARMLESS and (why := self._unanswered(asked)):
            return self._fixed(Outcome.DECLINED, why, asked.found, 0, on_text, {"guard": risk})
        seen = await self._engine.next_token(asked.prompt)
        odds = read_verdict(seen.log_probabilities, self._book)
        odds = odds.above(self._policy.nothing_middle, self._policy.refuse_middle)
        details: dict[str, float] = {"guard": risk, "nothing": odds.nothing, "refuse": odds.refuse}
        decided = self._ruled_out(risk, odds, asked)
        if decided is None:
            details["doubt"] = odds.nothing + await asyncio.to_thread(self._retrieval_doubt, asked)
            decided = self._weighed(odds, details["doubt"])
        outcome, reason = decided
        if outcome is not Outcome.ANSWERED:
            return self._fixed(outcome, reason, asked.found, seen.tokens_in, on_text, details)
        asked = replace(asked, tokens_in=seen.tokens_in)
        return await self._generate(asked, seed, on_text, details, reason, tally)

    async def verdict(self, excerpts: str, question: str) -> VerdictOdds:
        """Return the odds of the verdict words where these excerpts are shown, as the model gives them."""
        text = self._book.question.format(excerpts=excerpts, question=question)
        root = await self._rooted()
        near = await self._nearest(question)
        prompt = _pinned_before(await self._render((), text, near), root, question)
        return read_verdict((await self._engine.next_token(prompt)).log_probabilities, self._book)

    async def choose(self, question: str, choices: Sequence[str], *, seed: int = 0) -> ChoiceAnswer:
        """Return option probabilities averaged over the cyclic orders of the options.

        The last orders are not asked where they could no longer change which option leads.
        """
        del seed  # greedy: one token, no sampling
        question = self._rails.examine(Stage.INPUT, question).text or question
        found, _ = await self._found(question, self._policy.choice_excerpts or self._policy.excerpts)
        text = self._book.choice.format(excerpts=self._excerpts(found), question=question)
        near = await self._nearest(question)
        orders = cyclic_orders(len(choices))
        texts = [
            text + option_lines([choices[index] for index in order]) + self._book.choice_end
            for order in orders
        ]
        root = await self._rooted(demonstrated=False)
        first = await self._render((), texts[0], near, demonstrated=False)
        before, found_text, after = first.rpartition(texts[0])
        # A template's mark within the text is broken up as it is rendered: then each order is rendered by itself.
        plain = bool(found_text) and before.startswith(root)
        shared = f"{before}{text}{OPTIONS_BEGIN}" if plain else root
        prompts: dict[tuple[int, ...], Prompt] = {}
        for order, ordered in zip(orders, texts, strict=True):
            if plain:
                whole = f"{before}{ordered}{after}"
            elif prompts:
                whole = await self._render((), ordered, near, demonstrated=False)
            else:
                whole = first
            pinned = shared if whole.startswith(shared) else ""
            prompts[order] = Prompt(pinned, whole[len(pinned) :])
        retrieved = tuple(item.chunk_id for item in found)
        return await ask_orders(self._engine, prompts, await self._engine.count(shared), retrieved)

    def _ruled_out(self, risk: float, odds: VerdictOdds, asked: _Asked) -> tuple[Outcome, str] | None:
        """Return what is decided without weighing a doubt, which costs an embedding of every shown sentence."""
        if not asked.found:
            return Outcome.DECLINED, self._unanswered(asked)
        if not odds.seen:
            return Outcome.DECLINED, "the model gave none of the verdict words"
        refuse = _log_odds(risk) + odds.refuse
        if refuse > self._policy.refuse_log_odds:
            return Outcome.REFUSED, f"request guard and model's verdict: refuse ({refuse:+.2f})"
        missing = self._unanswered(asked)
        return (Outcome.DECLINED, missing) if missing else None

    def _unanswered(self, asked: _Asked) -> str:
        """Return why no model need be asked to know that the excerpts do not answer, or an empty string."""
        if not asked.found:
            return "no document has a chunk for this"
        missing = missing_quantity(asked.question, asked.shown)
        return f"the question asks for a quantity ({missing}) that no excerpt names" if missing else ""

    def _weighed(self, odds: VerdictOdds, doubt: float) -> tuple[Outcome, str]:
        if doubt > self._policy.decline_log_odds:
            return (
                Outcome.DECLINED,
                f"verdict and retrieval: not in the excerpts ({odds.nothing:+.2f}, doubt {doubt:+.2f})",
            )
        return Outcome.ANSWERED, f"verdict and retrieval: the excerpts answer (doubt {doubt:+.2f})"

    def _retrieval_doubt(self, asked: _Asked) -> float:
        policy = self._policy
        texts = possible_answers(asked.question, asked.found, policy.excerpt_characters)
        closest = max(self._retriever.closeness(asked.question, texts), default=0.0)
        distance = policy.support_cosine - closest
        return policy.disagreement_weight * disagreement(asked.found) + policy.support_weight * distance

    async def _guarded(self, turns: Sequence[ChatTurn], tally: Tally) -> tuple[list[ChatTurn], str]:
        """Return the turns as the model may see them, and why the last one is refused, or an empty string."""
        shown: list[ChatTurn] = []
        for turn in turns[-2 * _HISTORY_TURNS - 1 : -1]:
            # What was said before has been ruled on before: it is masked, and not counted again.
            shown.append(replace(turn, content=self._rails.examine(Stage.INPUT, turn.content).text))
        examined = self._rails.examine(Stage.INPUT, turns[-1].content[: 2 * _QUESTION_CHARACTERS])
        tally.add(examined.rulings)
        forbidden = examined.blocked or await self._forbidden(Stage.INPUT, examined.text, tally)
        return [*shown, replace(turns[-1], content=examined.text)], forbidden

    async def _forbidden(self, stage: Stage, text: str, tally: Tally) -> str:
        """Ask the guard model, where there is one; returns why the text ends here, or an empty string."""
        if self._guard_model is None:
            return ""
        verdict, reason = await self._guard_model.judge(stage, text)
        if verdict is not Verdict.ALLOW:
            tally.note("guard_model", stage, verdict, reason)
        return f"guard_model: {reason}" if verdict in (Verdict.BLOCK, Verdict.MASK) else ""

    async def _found(self, sought: str, most: int) -> tuple[tuple[Retrieved, ...], Tally]:
        """Return the excerpts for a question as they may be shown."""
        return self._masked(await asyncio.to_thread(self._retriever.search, sought, most))

    def _masked(self, found: Sequence[Retrieved]) -> tuple[tuple[Retrieved, ...], Tally]:
        kept, rulings = guard_excerpts(self._rails.plan, found)
        tally = Tally()
        tally.add(rulings)
        return kept, tally

    async def _ask(self, turns: Sequence[ChatTurn], question: str, tally: Tally) -> _Asked:
        history = _history(turns[:-1])
        found, ruled = await self._found(_sought(history, question), self._policy.excerpts)
        tally.add(ruled.rulings)
        shown = self._excerpts(found)
        text = self._book.question.format(excerpts=shown, question=question)
        root = await self._rooted()
        near = await self._nearest(question)
        whole = await self._render(history, text, near)
        # A long conversation loses its beginning rather than the answer.
        while history and await self._engine.count(whole) + self._room() > self._engine.context:
            history = _history(history[1:])
            whole = await self._render(history, text, near)
        # Verdict and answer both go on from the question: what is before is read once.
        end = whole.rfind(question) + len(question)
        pinned = whole[:end] if question and whole.startswith(root) and end > len(root) else ""
        return _Asked(question, found, shown, Prompt(pinned, whole[len(pinned) :]))

    async def _generate(
        self,
        asked: _Asked,
        seed: int,
        on_text: TextListener | None,
        details: dict[str, float],
        reason: str,
        tally: Tally,
    ) -> AgentAnswer:
        opening = with_verdict(self._book.answer_word, "")
        prompt = Prompt(asked.prompt.pinned, asked.prompt.rest + opening)
        grounding = Grounding(asked.question, asked.found)
        served = ReleasedText(self._rails, self._policy, asked.question, asked.found, tally, on_text)
        raw = held = stopped = finish = ""
        # What was read and written counts too where the answer is broken off.
        tokens_in, tokens_out = asked.tokens_in, 0
        decoding = Decoding(max_tokens=self._policy.max_tokens, seed=seed, stop=("\n\n",))
        async with _closing(self._engine.stream(prompt, decoding)) as values:
            async for value in values:
                if isinstance(value, Generation):
                    tokens_in, tokens_out, finish = value.tokens_in, value.tokens_out, value.finish
                    break
                raw += value.text
                held += value.text
                tokens_out += 1
                sentence, held = split_sentence(held)
                if not sentence:
                    continue
                stopped = grounding.objection(sentence) or served.objection(sentence)
                if stopped or await self._ended(served, sentence, tally):
                    break
        # A sentence that the length limit cut may end in half a number: it is left out where others stand.
        cut = finish == "length" and served.sentences
        if not stopped and not served.blocked and not cut and held.strip():
            stopped = grounding.objection(held) or served.objection(held)
            if not stopped:
                await self._ended(served, held, tally)
        text = served.end()
        details = {**details, "objected": float(bool(stopped))}
        if not text and not served.blocked:
            doubted = details["doubt"] > self._policy.doubt_log_odds
            quoted = None if doubted else grounding.best_quote()
            why = stopped or "the model wrote nothing"
            if quoted is None:
                return self._fixed(
                    Outcome.DECLINED, why, asked.found, tokens_in, on_text, details, written=tokens_out
                )
            text, reason = served.quotation(quoted), f"quoted, because {why}"
        if not text:
            why = f"guardrail {served.blocked}"
            return self._fixed(
                Outcome.REFUSED, why, asked.found, tokens_in, on_text, details, written=tokens_out
            )
        if served.blocked:
            reason = f"{reason}; ended by guardrail {served.blocked}"
        text, citations = cite(text, asked.found)
        return AgentAnswer(
            text=text + served.closing(text),
            raw_text=raw,
            outcome=Outcome.ANSWERED,
            reason=reason,
            citations=citations,
            retrieved=tuple(item.chunk_id for item in asked.found),
            tokens_in=tokens_in,
            tokens_out=tokens_out + 1,
            details=details,
        )

    async def _ended(self, served: ReleasedText, sentence: str, tally: Tally) -> bool:
        """Release a sentence; says whether a guardrail ended the answer instead."""
        forbidden = await self._forbidden(Stage.OUTPUT, sentence, tally)
        if forbidden:
            served.blocked = forbidden
        else:
            served.release(sentence)
        return bool(served.blocked)

    def _fixed(
        self,
        outcome: Outcome,
        reason: str,
        found: Sequence[Retrieved],
        tokens_in: int,
        on_text: TextListener | None,
        details: dict[str, float],
        *,
        written: int = 0,
    ) -> AgentAnswer:
        text = self._policy.refused_text if outcome is Outcome.REFUSED else self._policy.declined_text
        if on_text is not None:
            on_text(text)
        return AgentAnswer(
            text=text,
            raw_text=text,
            outcome=outcome,
            reason=reason,
            citations=(),
            retrieved=tuple(item.chunk_id for item in found),
            tokens_in=tokens_in,
            tokens_out=written + 1 if tokens_in else 0,
            details=details,
        )

    def _excerpts(self, found: Sequence[Retrieved]) -> str:
        return shown_excerpts(self._book, found, self._policy.excerpt_characters)

    async def _nearest(self, question: str) -> tuple[Demonstration, ...]:
        return () if self._examples is None else await asyncio.to_thread(self._examples.nearest, question)

    def _turns(
        self,
        history: Sequence[ChatTurn],
        text: str,
        near: Sequence[Demonstration],
        *,
        demonstrated: bool = True,
    ) -> list[ChatTurn]:
        turns = [ChatTurn("system", self._book.system)]
        for shown in (*(self._book.demonstrations if demonstrated else ()), *near):
            asked = self._book.question.format(excerpts=shown.excerpts, question=shown.question)
            said = with_verdict(shown.verdict, shown.answer)
            turns += [ChatTurn("user", asked), ChatTurn("assistant", said)]
        return [*turns, *history, ChatTurn("user", text)]

    async def _render(
        self,
        history: Sequence[ChatTurn],
        text: str,
        near: Sequence[Demonstration] = (),
        *,
        demonstrated: bool = True,
    ) -> str:
        return await self._engine.render(self._turns(history, text, near, demonstrated=demonstrated))

    def _room(self) -> int:
        """Return the tokens that an answer and its verdict word need behind the prompt."""
        return self._policy.max_tokens + _VERDICT_TOKENS

    async def _rooted(self, *, demonstrated: bool = True) -> str:
        """Pin the part that every such prompt shares: system prompt and demonstrations, as the template has them."""
        if demonstrated not in self._roots:
            ends = [await self._render((), probe, demonstrated=demonstrated) for probe in ("甲", "乙")]
            self._roots[demonstrated] = _common_beginning(*ends)
        await self._engine.pin(self._roots[demonstrated])
        return self._roots[demonstrated]


def _sought(history: Sequence[ChatTurn], question: str) -> str:
    """Return what is looked for: a short question takes the one before it along."""
    if len(question) >= _SHORT_FOLLOW_UP:
        return question
    earlier = [turn.content for turn in history if turn.role == "user"]
    return "\n".join([*earlier[-1:], question])[-_QUESTION_CHARACTERS:]


def _history(turns: Sequence[ChatTurn]) -> list[ChatTurn]:
    """Return the last turns of a conversation, shortened, as templates take them: the user's turn first.

    A client's own system turns are left out: the agent is told what was examined, and nothing else.
    """
    spoken = [turn for turn in turns if turn.role in ("user", "assistant")][-2 * _HISTORY_TURNS :]
    while spoken and spoken[0].role != "user":
        del spoken[0]
    return [replace(turn, content=turn.content[:_QUESTION_CHARACTERS]) for turn in spoken]


@asynccontextmanager
async def _closing(
    values: AsyncIterator[Piece | Generation],
) -> AsyncIterator[AsyncIterator[Piece | Generation]]:
    """Stop the engine as soon as the block is left, not when the generator happens to be collected."""
    try:
        yield values
    finally:
        close = getattr(values, "aclose", None)
        if close is not None:
            await close()


def _pinned_before(whole: str, root: str, question: str) -> Prompt:
    """Pin what stands before the last occurrence of the question, where that goes beyond the root."""
    start = whole.rfind(question)
    pinned = whole[:start] if question and whole.startswith(root) and start > len(root) else root
    return Prompt(pinned, whole[len(pinned) :])


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))


def _common_beginning(first: str, second: str) -> str:
    length = next((place for place, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), None)
    return first[: min(len(first), len(second)) if length is None else length]
