"""Drafts that a local model words, for statements of a charter that no template knows.

They are marked as the model's and go the same way as others: a person accepts each, or it is not in the pack. What
does not keep to the form is skipped with the reason. The model that words a draft should not be the one that is
examined by it; nothing here can know that.
"""

import re
from collections.abc import Iterable, Sequence

from staffroom.engine.llama import LlamaEngine
from staffroom.engine.protocols import Decoding, Engine, Prompt
from staffroom.evaluate.charter import CharterWords, Draft, Statement, dilemma_draft
from staffroom.pipeline.charter_drafts import Drafting
from staffroom.records.agent import ChatTurn
from staffroom.records.digests import digest_bytes
from staffroom.records.errors import WrongUse
from staffroom.recruit import file_of, find_model
from staffroom.store import Home

__all__ = ["draft_of_text", "drafts_by_model", "word_drafts"]

_FIELDS = ("SCENE", "FACT1", "FACT2", "OPTION1", "OPTION2", "OPTION3", "OPTION4")
_GAP = "___"
_CONTEXT = 4096
_MAX_TOKENS = 400
_LONGEST = 300
_GRAMMAR = "root ::= " + " ".join(f'"{name}: " line' for name in _FIELDS) + '\nline ::= [^\\n]{2,300} "\\n"\n'


async def drafts_by_model(
    home: Home, name: str, drafting: Drafting
) -> tuple[tuple[Draft, ...], tuple[str, ...]]:
    """Let a model of this home word a dilemma for each statement without a template.

    name: as `staffroom models list` shows it. Returns the drafts, and why statements were skipped.
    """
    candidate = find_model(home.path, name).candidate
    if candidate.model is None:
        raise WrongUse("a model file of this machine is needed, not a server", hint="staffroom models list")
    engine = LlamaEngine(file_of(home.path, candidate), candidate.model.digest, n_ctx=_CONTEXT)
    await engine.start()
    try:
        by = f"model {candidate.id} {candidate.model.digest[:19]}"
        return await word_drafts(engine, by, drafting.words, drafting.proposal.unmatched)
    finally:
        await engine.close()


async def word_drafts(
    engine: Engine, by: str, words: CharterWords, statements: Iterable[Statement]
) -> tuple[tuple[Draft, ...], tuple[str, ...]]:
    """Ask an engine that runs for one dilemma a statement, greedily: the same engine words the same."""
    drafts, skipped = [], []
    for statement in statements:
        asked = words.model_prompt.replace("{statement}", statement.text)
        prompt = await engine.render([ChatTurn("user", asked)])
        said = await engine.generate(Prompt("", prompt), Decoding(max_tokens=_MAX_TOKENS, grammar=_GRAMMAR))
        try:
            drafts.append(draft_of_text(said.text, statement, by))
        except ValueError as error:
            skipped.append(f"{statement.text}: {error}")
    return tuple(drafts), tuple(skipped)


def draft_of_text(text: str, statement: Statement, by: str) -> Draft:
    """Return the draft that a model worded in the form it was told; raises ValueError with what is wrong."""
    found = _fields(text)
    lacking = [name for name in _FIELDS if not found.get(name)]
    if lacking:
        raise ValueError(f"the model left out {', '.join(lacking)}")
    scene, facts, options = (
        found["SCENE"],
        [found["FACT1"], found["FACT2"]],
        [found[name] for name in _FIELDS[3:]],
    )
    if scene.count(_GAP) != 1:
        raise ValueError("the model's scene has no single gap")
    if len(set(facts)) < len(facts) or len(set(options)) < len(options):
        raise ValueError("the model repeats itself")
    if any(len(part) > _LONGEST for part in (scene, *facts, *options)):
        raise ValueError("the model wrote too much")
    name = f"model-{digest_bytes(statement.text.encode())[7:15]}"
    return dilemma_draft(name, statement, [scene.replace(_GAP, fact) for fact in facts], options, by)


def _fields(text: str) -> dict[str, str]:
    """Return field -> text, each field's first line only."""
    found: dict[str, str] = {}
    names: Sequence[str] = _FIELDS
    for line in text.splitlines():
        if match := re.match(rf"\s*({'|'.join(names)})\s*[:：]\s*(.*)", line):
            found.setdefault(match[1], match[2].strip())
    return found
