"""A model asked by itself, without documents or prompt: for packs whose inputs are prompts for a bare model.

An option is likely as the one token is that continues the prompt with it, which is what log-likelihoods of such options
compare; a written answer is the likeliest continuation, up to the pack's length. Options of several tokens cannot be
compared this way, and are refused rather than guessed at by their beginnings.
"""

import math
from collections.abc import Mapping, Sequence

from staffroom.engine.protocols import Decoding, Engine, Prompt
from staffroom.evaluate.matching import MatchRule
from staffroom.evaluate.pack import ExamPack
from staffroom.records.agent import AgentAnswer, AgentSpec, ChatTurn, ChoiceAnswer, Outcome
from staffroom.records.digests import digest_value
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.protocols import TextListener

__all__ = ["BareModel", "require_fitting_agent"]

_MARK = "continuation:"
_CANDIDATES = 64
_MOST_TOKENS = 256


class BareModel:
    """An agent that is nothing but a model; see `Agent` for what its methods promise."""

    def __init__(self, engine: Engine, pack: ExamPack, *, name: str) -> None:
        """Take a started engine and the pack that says how it is asked."""
        rule = MatchRule.model_validate(pack.definition.get("match") or {})
        self._engine = engine
        self._delimiter = str(pack.definition.get("delimiter", ""))
        self._until = tuple(text for text in rule.until if text)
        self._max_tokens = int(pack.definition.get("max_tokens") or _MOST_TOKENS)
        asked = {"delimiter": self._delimiter, "until": list(self._until), "max_tokens": self._max_tokens}
        self._spec = AgentSpec(
            name=name,
            base=engine.identity.model,
            engine=engine.identity.digest,
            index="",
            prompt=f"{_MARK}{digest_value(asked)}",
            policy="",
            guardrails="",
            locale=pack.locale,
            candidate=name,
        )

    @property
    def spec(self) -> AgentSpec:
        """What is asked: the model, its engine, and how prompts are continued."""
        return self._spec

    async def answer(
        self, turns: Sequence[ChatTurn], *, seed: int = 0, on_text: TextListener | None = None
    ) -> AgentAnswer:
        """Return the likeliest continuation of the last turn's text."""
        decoding = Decoding(max_tokens=self._max_tokens, stop=self._until, seed=seed)
        made = await self._engine.generate(Prompt("", turns[-1].content), decoding)
        if on_text is not None:
            on_text(made.text)
        return AgentAnswer(
            text=made.text,
            raw_text=made.text,
            outcome=Outcome.ANSWERED,
            reason=f"continued until {made.finish}",
            tokens_in=made.tokens_in,
            tokens_out=made.tokens_out,
        )

    async def choose(self, question: str, choices: Sequence[str], *, seed: int = 0) -> ChoiceAnswer:
        """Return the options' shares of the probability of the next token; raises StaffroomError for longer ones."""
        del seed  # one token, no sampling
        options = [f"{self._delimiter}{choice}" for choice in choices]
        before = await self._engine.count(question)
        for option in options:
            if await self._engine.count(question + option) != before + 1:
                raise StaffroomError(
                    f"the option {option!r:.60} is more than one token; only one can be compared",
                    hint="import the task with --for-worker",
                )
        seen = await self._engine.next_token(Prompt("", question), _CANDIDATES)
        shares = _shares(seen.log_probabilities, options)
        return ChoiceAnswer(shares, (shares,), tokens_in=seen.tokens_in, tokens_out=1)


def require_fitting_agent(pack: ExamPack, spec: AgentSpec) -> None:
    """Raise WrongUse where a worker is asked prompts for a bare model, or the other way round."""
    for_model = pack.definition.get("asking") == "continuation"
    if for_model == spec.prompt.startswith(_MARK):
        return
    if for_model:
        raise WrongUse(
            "the pack's inputs are prompts for a bare model, and a worker cannot be asked them",
            where=str(pack.folder / "exam.yaml"),
            hint="staffroom exam run MODEL PACK --bare-model, or import the task with --for-worker",
        )
    raise WrongUse(
        "the pack asks a worker, and a bare model knows neither its documents nor its prompt",
        where=str(pack.folder / "exam.yaml"),
        hint="staffroom exam run WORKER PACK",
    )


def _shares(log_probabilities: Mapping[str, float], options: Sequence[str]) -> tuple[float, ...]:
    weights = [
        math.exp(log_probabilities[option]) if option in log_probabilities else 0.0 for option in options
    ]
    total = sum(weights)
    if not total:
        raise StaffroomError(
            f"none of the options is among the {_CANDIDATES} likeliest next tokens",
            hint="import the task with --for-worker",
        )
    return tuple(weight / total for weight in weights)
