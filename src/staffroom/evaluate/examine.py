"""Put an exam to an agent: one item at a time, every response kept while the next is asked.

Procedure:
1. Order the items so that neighbours share their prefix (kind, then cluster), the same way every time.
2. Take a response that is kept already; else ask, once more if the engine fails, and keep what came.
3. Where a judge model scores a facet, let it say its word on the answers that are kept.
4. Score what is kept and sum it up.

It measures and never decides; it does not know thresholds.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from staffroom.engine.errors import EngineMissing, EngineStartError
from staffroom.evaluate.bare_model import require_fitting_agent
from staffroom.evaluate.judge import Judgement
from staffroom.evaluate.keeping import Keeper
from staffroom.evaluate.kinds import LETTERS
from staffroom.evaluate.pack import ExamPack
from staffroom.evaluate.scorers import score_responses
from staffroom.evaluate.summary import summarize_facets, summarize_kinds
from staffroom.records.agent import AgentAnswer, ChatTurn, ChoiceAnswer, Retrieved
from staffroom.records.digests import digest_bytes, digest_value
from staffroom.records.errors import StaffroomError
from staffroom.records.exam import Evaluation, Item, Kind, Response, Split
from staffroom.records.protocols import Agent, DocumentReader, Progress, ResponseSink

__all__ = ["Judge", "count_wrong_language", "examine", "response_digest", "sum_up"]

Judge = Callable[[Sequence[Item], Mapping[str, Response]], Awaitable[Mapping[str, Judgement]]]
"""Says its word on answers, both by item id; answers of facets without a judge have none."""

_ATTEMPTS = 2
_MOST_FAILURES_RUNNING = 5
_LEAST_PROBABILITY = 1e-12


async def examine(
    agent: Agent,
    items: Sequence[Item],
    *,
    pack: ExamPack,
    split: Split,
    seed: int,
    sink: ResponseSink,
    progress: Progress,
    wrong_language: Callable[[Response], bool],
    judge: Judge | None = None,
    timeout_seconds: float = 600.0,
) -> Evaluation:
    """Ask an agent the items and return the evaluation; the same call goes on after an interruption.

    items: of one split, each once. wrong_language: says whether an open answer is in another
    language or script than the item's. judge: says its word on the answers of judged facets, which are unscored without
    it. timeout_seconds: for one attempt at one item.
    A lost engine costs one item: it stays unscored with the error's text. Five such items running are
    a broken engine: StaffroomError, and none of the five is kept. The caller opens the progress stage.
    """
    require_fitting_agent(pack, agent.spec)
    agent_digest = agent.spec.digest
    keeper = Keeper(sink)
    kept: dict[str, Response] = {}
    failures: list[tuple[Item, Response]] = []
    try:
        for item in _in_order(items):
            digest = item.digest
            response = sink.get(agent_digest, digest, seed)
            if response is None:
                response = await _ask(agent, item, agent_digest, seed, timeout_seconds)
                if response.error:
                    failures.append((item, response))
                    if len(failures) >= _MOST_FAILURES_RUNNING:
                        raise _broken(item, failures)
                else:
                    await _keep(keeper, failures)
                    await keeper.keep(digest, response)
            kept[item.id] = response
            progress.advance(1.0, note=item.id)
        await _keep(keeper, failures)
    finally:
        await keeper.flush()
    judgements = await judge(items, kept) if judge is not None else {}
    return sum_up(agent_digest, items, kept, pack, split, seed, wrong_language, judgements)


def count_wrong_language(
    items: Iterable[Item], responses: Iterable[Response], is_wrong: Callable[[Response], bool]
) -> int:
    """Return how many open answers (not choices, nor failed ones) are in the wrong language."""
    open_ids = {item.id for item in items if not item.kind.has_options}
    return sum(
        is_wrong(response)
        for response in responses
        if response.item_id in open_ids and not response.error and response.text
    )


def response_digest(item: Item, response: Response) -> str:
    """Return the digest of an answer to an item, without its wall time: a re-run gives the same."""
    return digest_value(
        {
            "item": item.digest,
            "agent": response.agent,
            "seed": response.seed,
            "text": response.text,
            "raw_text": response.raw_text,
            "outcome": response.outcome,
            "option_probabilities": list(response.option_probabilities),
            "cited": list(response.cited),
            "tokens_in": response.tokens_in,
            "tokens_out": response.tokens_out,
            "error": response.error,
        }
    )


def sum_up(
    agent: str,
    items: Sequence[Item],
    kept: Mapping[str, Response],
    pack: ExamPack,
    split: Split,
    seed: int,
    wrong_language: Callable[[Response], bool],
    judgements: Mapping[str, Judgement],
) -> Evaluation:
    """Judge kept responses and return the evaluation: the same responses give the same one, to its digest.

    agent: digest of what answered.  kept: the responses by item id, one for each of the items.  judgements: the words
    of judge models, by item id.
    """
    scores = score_responses(pack, items, kept, judgements)
    return Evaluation(
        agent=agent,
        pack=pack.digest,
        split=split,
        seed=seed,
        scores=scores,
        facets=summarize_facets(scores),
        kinds=summarize_kinds(scores),
        tokens_in=sum(response.tokens_in for response in kept.values()),
        tokens_out=sum(response.tokens_out for response in kept.values()),
        wrong_language=count_wrong_language(items, kept.values(), wrong_language),
        seconds=sum(response.seconds for response in kept.values()),
        responses=tuple(response_digest(item, kept[item.id]) for item in items),
    )


def _in_order(items: Sequence[Item]) -> list[Item]:
    if len({item.id for item in items}) != len(items):
        raise ValueError("an item is asked once")
    kinds = list(Kind)
    return sorted(items, key=lambda item: (kinds.index(item.kind), item.facet, item.cluster, item.id))


async def _keep(keeper: Keeper, failures: list[tuple[Item, Response]]) -> None:
    for item, response in failures:
        await keeper.keep(item.digest, response)
    failures.clear()


def _broken(item: Item, failures: Sequence[tuple[Item, Response]]) -> StaffroomError:
    return StaffroomError(
        f"{len(failures)} items running got no answer, last: {failures[-1][1].error}",
        where=f"item {item.id}",
        hint="run `staffroom doctor`, then the same command: it goes on from here",
    )


async def _ask(agent: Agent, item: Item, agent_digest: str, seed: int, timeout_seconds: float) -> Response:
    begun = time.monotonic()
    text = ""
    for _ in range(_ATTEMPTS):
        try:
            async with asyncio.timeout(timeout_seconds):
                asked = _with_document(agent, item)
                if item.kind.has_options:
                    choice = await asked.choose(item.input, item.choices, seed=seed)
                    return _from_choice(item, agent_digest, seed, choice, time.monotonic() - begun)
                answer = await asked.answer([ChatTurn("user", item.input)], seed=seed)
                return _from_answer(item, agent_digest, seed, answer, time.monotonic() - begun)
        except (EngineStartError, EngineMissing):
            raise
        except TimeoutError:
            text = f"no answer within {timeout_seconds:g} s"
        except StaffroomError as error:
            text = error.message
        except OSError as error:
            text = f"{type(error).__name__}: {error}"
    return Response(
        item_id=item.id,
        agent=agent_digest,
        seed=seed,
        text="",
        outcome="failed",
        seconds=time.monotonic() - begun,
        error=text or "failed without a reason",
    )


def _with_document(agent: Agent, item: Item) -> Agent:
    """Return the agent that finds the item's document first; the same agent where the item brings none."""
    if not item.document:
        return agent
    if not isinstance(agent, DocumentReader):
        raise StaffroomError("this agent cannot be given a document for one question")
    digest = digest_bytes(item.document.encode())
    found = Retrieved(
        chunk_id=f"item:{item.id}",
        document_digest=digest,
        document_name=f"{item.id}.txt",
        heading_path=(),
        text=item.document,
        page=None,
        start=0,
        end=len(item.document),
        as_of=None,
        score=1.0,
        lexical_rank=1,
        dense_rank=1,
    )
    return agent.reading((found,))


def _from_choice(item: Item, agent: str, seed: int, choice: ChoiceAnswer, seconds: float) -> Response:
    probabilities = choice.probabilities
    if len(probabilities) != len(item.choices):
        raise StaffroomError(f"{len(probabilities)} probabilities for {len(item.choices)} options")
    ranked = sorted(probabilities, reverse=True)
    first, second = (max(value, _LEAST_PROBABILITY) for value in ranked[:2])
    return Response(
        item_id=item.id,
        agent=agent,
        seed=seed,
        text=LETTERS[probabilities.index(ranked[0])],
        option_probabilities=probabilities,
        margin_nats=math.log(first / second),
        tokens_in=choice.tokens_in,
        tokens_out=choice.tokens_out,
        seconds=seconds,
        details={"orders": [list(order) for order in choice.orders], "retrieved": list(choice.retrieved)},
    )


def _from_answer(item: Item, agent: str, seed: int, answer: AgentAnswer, seconds: float) -> Response:
    details: dict[str, object] = {"reason": answer.reason, "retrieved": list(answer.retrieved)}
    if item.canary:
        # What is quoted below an answer is served too, so it is looked through with it.
        details["quotes"] = [citation.quote for citation in answer.citations]
    return Response(
        item_id=item.id,
        agent=agent,
        seed=seed,
        text=answer.text,
        raw_text=answer.raw_text,
        outcome=answer.outcome.value,
        cited=tuple(citation.chunk_id for citation in answer.citations),
        tokens_in=answer.tokens_in,
        tokens_out=answer.tokens_out,
        seconds=seconds,
        details=details,
    )
