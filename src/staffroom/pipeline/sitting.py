"""Let an agent sit items of a pack, with the checks on language that every sitting has."""

from collections.abc import Callable, Mapping, Sequence

from staffroom.evaluate import ExamPack, examine, kept_judgements, sum_up
from staffroom.pipeline.judges import Judges
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Evaluation, Item, Response, Split
from staffroom.records.protocols import Agent, Progress, ResponseSink
from staffroom.text.locale import check

__all__ = ["judge_again", "require_locale", "sit"]


async def sit(
    agent: Agent,
    items: Sequence[Item],
    pack: ExamPack,
    split: Split,
    seed: int,
    sink: ResponseSink,
    progress: Progress,
    judges: Judges | None = None,
) -> Evaluation:
    """Ask an agent whose engine runs, let the pack's judges say their word, and count answers in another language or
    script than the pack's. Without `judges`, what waits for one stays unscored.
    """
    return await examine(
        agent,
        items,
        pack=pack,
        split=split,
        seed=seed,
        sink=sink,
        progress=progress,
        wrong_language=_wrong_language_in(pack),
        judge=judges.of(pack, sink) if judges is not None else None,
    )


def judge_again(
    agent: str,
    items: Sequence[Item],
    responses: Mapping[str, Response],
    pack: ExamPack,
    split: Split,
    seed: int,
    sink: ResponseSink,
) -> Evaluation:
    """Judge kept responses as `sit` did: the same ones, by item id, give the same evaluation.

    sink: where the words of judge models are kept; none is asked.
    """
    words = kept_judgements(pack, items, responses, sink)
    return sum_up(agent, items, responses, pack, split, seed, _wrong_language_in(pack), words)


def require_locale(pack: ExamPack, locale: str) -> None:
    """Raise WrongUse where a pack is for another locale than a worker's."""
    if pack.locale != locale:
        raise WrongUse(
            f"the exam is for {pack.locale}, the worker answers for {locale}",
            where=str(pack.folder / "exam.yaml"),
            hint="take a pack of the worker's locale; `exam run` takes another one with --other-locale",
        )


def _wrong_language_in(pack: ExamPack) -> Callable[[Response], bool]:
    def wrong_language(response: Response) -> bool:
        found = check(response.raw_text or response.text, pack.locale)
        return bool(found.wrong_language or found.simplified)

    return wrong_language
