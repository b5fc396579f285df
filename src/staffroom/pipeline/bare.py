"""A candidate asked by itself: choice items of a public exam, without documents, guard or verdict.

It sends the prompts that `serve.agent.DocumentAgent` sends where it finds nothing, with fewer questions to the engine:
1. Apply the chat template once and keep what stands before and after the user's turn.
2. For each item apply it once more. Where it leaves the text as it is, the other orders of the options are put between
   the same two ends; where it does not (the text holds marks of the template), each order goes through the template.
3. Pin the beginning that all items share and, where several orders are asked, the question as far as the orders agree
   (the first option's letter is in it: an order that began with the same token as the last one would cost an evaluation
   more, see `engine.llama_pins`); each order is one token.

What is pinned is another part than there, so a real engine's numbers may differ in their last digits.

It is no worker: nothing of it is released, and it answers no open question.
"""

from collections.abc import Sequence

from staffroom.engine.protocols import Engine, Prompt
from staffroom.records.agent import AgentAnswer, AgentSpec, ChatTurn, ChoiceAnswer
from staffroom.records.digests import digest_value
from staffroom.records.errors import WrongUse
from staffroom.records.policy import PromptBook
from staffroom.records.protocols import TextListener
from staffroom.serve.options import OPTIONS_BEGIN, ask_orders, cyclic_orders, option_lines

__all__ = ["BareCandidate"]

_NONE = "none"
_PROBE = "甲"


class BareCandidate:
    """One engine and a prompt; it satisfies `Agent` for items with options.

    book: its `system`, `choice` and `choice_end` are used.  orders: how many of the cyclic orders are asked, all by default.
    """

    def __init__(self, name: str, engine: Engine, book: PromptBook, *, orders: int | None = None) -> None:
        if orders is not None and orders < 1:
            raise ValueError("at least one order of the options is asked")
        self._engine = engine
        self._book = book
        self._orders = orders
        self._ends: tuple[str, str, str] | None = None
        asked = {"protocol": "bare-3", "orders": "all" if orders is None else orders}
        self._spec = AgentSpec(
            name=name,
            base=engine.identity.model,
            engine=engine.identity.digest,
            index=_NONE,
            prompt=book.digest,
            policy=digest_value(asked),
            guardrails=_NONE,
            locale=book.locale,
            candidate=name,
        )

    @property
    def spec(self) -> AgentSpec:
        """What it is made of."""
        return self._spec

    async def answer(
        self, turns: Sequence[ChatTurn], *, seed: int = 0, on_text: TextListener | None = None
    ) -> AgentAnswer:
        """Raise WrongUse: a candidate by itself is asked choice items only."""
        raise WrongUse(
            "a candidate without documents is asked choice items only", hint="staffroom hire JOB.yaml"
        )

    async def choose(self, question: str, choices: Sequence[str], *, seed: int = 0) -> ChoiceAnswer:
        """Return option probabilities averaged over the orders that are asked (see `serve.options.ask_orders`)."""
        del seed  # greedy: one token, no sampling
        before, head, after = await self._template()
        asked = self._book.choice.format(excerpts="", question=question).lstrip()
        orders = cyclic_orders(len(choices))[: self._orders]
        texts = [self._text(asked, [choices[index] for index in order]) for order in orders]
        first = await self._render(texts[0])
        plain = first == f"{before}{texts[0]}{after}"
        several = len(orders) > 1
        # A question that is asked once is not worth a reading of its own.
        shared = (
            before + (asked[: asked.rfind("\n") + 1] + OPTIONS_BEGIN if several else head) if plain else ""
        )
        held = await self._engine.count(shared) if several and plain else 0
        prompts: dict[tuple[int, ...], Prompt] = {}
        for order, text in zip(orders, texts, strict=True):
            whole = f"{before}{text}{after}" if plain else await self._render(text) if prompts else first
            prompts[order] = Prompt(shared, whole[len(shared) :])
        return await ask_orders(self._engine, prompts, held)

    def _text(self, asked: str, options: Sequence[str]) -> str:
        return (asked + option_lines(options) + self._book.choice_end).strip()

    async def _render(self, text: str) -> str:
        return await self._engine.render([ChatTurn("system", self._book.system), ChatTurn("user", text)])

    async def _template(self) -> tuple[str, str, str]:
        """Return what every prompt begins with (the template's part and the wording's), and what it ends with; pin the first."""
        if self._ends is None:
            before, _, after = (await self._render(_PROBE)).rpartition(_PROBE)
            head = self._book.choice.format(excerpts="", question=_PROBE).lstrip().partition(_PROBE)[0]
            self._ends = before, head, after
            await self._engine.pin(before + head)
        return self._ends
