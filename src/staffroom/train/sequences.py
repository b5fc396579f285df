"""Examples to token ids and masks, through the template and the tokeniser that serve.

Procedure for an example:
1. The turns are rendered as they are served; that is the prompt.
2. The same turns with the answer, and one more turn behind it, are rendered; the prompt must be its beginning and the
   answer must follow at once, or the template shows answers in another way than it asks for them.
3. Both are tokenised by the served engine; the prompt's tokens must be the beginning of the other's.
4. The first token behind the prompt that ends a turn is the end. Prompt and answer without it must tokenise to what
   stands before it, so that nothing lies between answer and end.
5. Learnt is what lies behind the prompt, up to and with the end.

Marks inside templates are not looked at: most templates have none, and a mask of zeros trains nothing without a word.
"""

from collections.abc import Iterable, Sequence

from staffroom.engine.training import TrainingSequence
from staffroom.gguf import GgufHeader
from staffroom.records.agent import ChatTurn
from staffroom.records.training import Example
from staffroom.train.refusals import EndNotLearnt, NothingToLearn, PromptLearnt, TemplateDiffers, TooLong
from staffroom.train.served import ServedEngine

__all__ = ["check_sequences", "end_tokens", "sequence_of"]

_NEXT = ChatTurn("user", ".")
_END_KEYS = ("eos", "eot", "eom")
_END_MARKS = ("<|im_end|>", "<end_of_turn>", "<|eot_id|>", "<|end|>", "<|endoftext|>", "</s>")
_EXAMPLES = "look at the example, and leave it out or mend it"


async def end_tokens(engine: ServedEngine, header: GgufHeader) -> frozenset[int]:
    """Return the tokens at which the engine ends an answer: those the file names, and known marks it has as one token."""
    named = {header.metadata.get(f"tokenizer.ggml.{key}_token_id") for key in _END_KEYS}
    found = {int(value) for value in named if isinstance(value, int) and 0 <= value < header.vocab_size}
    lead = len(await engine.tokens("."))
    for mark in _END_MARKS:
        tokens = await engine.tokens(mark)
        if len(tokens) == lead and tokens[:-1] == (await engine.tokens("."))[:-1]:
            found.add(tokens[-1])
    return frozenset(found)


async def sequence_of(
    engine: ServedEngine, example: Example, ends: frozenset[int], number: int
) -> TrainingSequence:
    """Return an example's tokens and mask; `number` counts from 1 and names the example in errors."""
    where = f"example {number} ({example.origin})"
    answer = example.answer.strip()
    if not answer:
        raise NothingToLearn("the answer is empty", where=where, hint=_EXAMPLES)
    if not example.turns or example.turns[-1].role != "user":
        raise TemplateDiffers("the turns do not end with the user's", where=where, hint=_EXAMPLES)
    prompt = await engine.render(example.turns)  # 1
    whole = await engine.render((*example.turns, ChatTurn("assistant", answer), _NEXT))  # 2
    if not whole.startswith(prompt) or not whole[len(prompt) :].startswith(answer):
        raise TemplateDiffers(
            "the template shows this answer differently from how it would be written (a mark of the template in it, or "
            "a template that changes answers)",
            where=where,
            hint=_EXAMPLES,
        )
    begin, tokens = await engine.tokens(prompt), await engine.tokens(whole)  # 3
    if tokens[: len(begin)] != begin:
        raise TemplateDiffers(
            "the prompt's tokens are other ones once the answer follows", where=where, hint=_EXAMPLES
        )
    end = next((place for place in range(len(begin), len(tokens)) if tokens[place] in ends), None)  # 4
    if end is None:
        raise EndNotLearnt(
            "no token that ends an answer follows it in this template",
            where=where,
            hint="take a candidate with its own chat template: staffroom models list",
        )
    if await engine.tokens(prompt + answer) != tokens[:end]:
        raise TemplateDiffers(
            "something stands between the answer and its end that the worker would not write",
            where=where,
            hint=_EXAMPLES,
        )
    if end + 1 > engine.context:
        raise TooLong(
            f"it has {end + 1} tokens, the context that is served holds {engine.context}",
            where=where,
            hint="raise requirements.context in the job description, or shorten the example",
        )
    learnt = (False,) * len(begin) + (True,) * (end + 1 - len(begin))  # 5
    return TrainingSequence(tokens[: end + 1], learnt)


def check_sequences(sequences: Sequence[TrainingSequence], ends: Iterable[int]) -> None:
    """Raise TrainingRefused where a mask is not: nothing, then the whole answer, its end the last.

    However the sequences were made, they pass here before anything is trained.
    """
    known = frozenset(ends)
    if not sequences:
        raise NothingToLearn("there are no examples", hint="staffroom feedback import FILE")
    for number, sequence in enumerate(sequences, 1):
        where = f"example {number}"
        if len(sequence.tokens) != len(sequence.learnt):
            raise PromptLearnt("tokens and mask differ in length", where=where, hint=_EXAMPLES)
        if not sequence.loss_tokens:
            raise NothingToLearn("no token of it would be learnt", where=where, hint=_EXAMPLES)
        if not sequence.learnt[-1] or sequence.tokens[-1] not in known:
            raise EndNotLearnt(
                "the token that ends the answer is not learnt: the worker would not stop",
                where=where,
                hint=_EXAMPLES,
            )
        first = sequence.learnt.index(True)
        if sequence.loss_tokens == 1:
            raise NothingToLearn("only the end of the answer would be learnt", where=where, hint=_EXAMPLES)
        if first == 0:
            raise PromptLearnt("all of it would be learnt, the prompt too", where=where, hint=_EXAMPLES)
        if not all(sequence.learnt[first:]):
            raise PromptLearnt("the tokens to be learnt are not one piece", where=where, hint=_EXAMPLES)
        if known & set(sequence.tokens[first:-1]):
            raise PromptLearnt(
                "more than the answer would be learnt: another turn's end is among it",
                where=where,
                hint=_EXAMPLES,
            )
