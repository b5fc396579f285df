"""An agent that is given excerpts for one question: they come first, and the rest is the agent as it is served."""

import asyncio

import pytest
from scripted_engine import ANSWER, ScriptedEngine, Shelf, agent, sure

from staffroom.records.agent import ChatTurn, Retrieved
from staffroom.records.protocols import DocumentReader
from staffroom.serve.overlay import OverlaidRetriever

RULES = ("停車費每小時三十元，每日最高一百八十元。", "身心障礙者免費停車四小時。")
NOTE = Retrieved("item:1", "sha256:0", "note.txt", (), "停車費改為每小時九十元。", None, 0, 13, None, 1.0)


def test_the_excerpt_is_shown_first_and_cited_like_any_other() -> None:
    engine = ScriptedEngine(sure(ANSWER["zh-TW"]), ["每小時九十元。"])
    worker = agent(engine, RULES)
    assert isinstance(worker, DocumentReader)
    reader = worker.reading((NOTE,))
    answer = asyncio.run(reader.answer([ChatTurn("user", "停車一小時多少錢？")]))
    shown = engine.prompts[0]
    assert NOTE.text in shown and shown.index(NOTE.text) < shown.index(RULES[0])
    assert answer.retrieved[0] == "item:1" and answer.citations[0].chunk_id == "item:1"
    assert reader.spec == worker.spec
    asyncio.run(worker.answer([ChatTurn("user", "停車一小時多少錢？")]))
    assert NOTE.text not in engine.prompts[-1], "the served agent never sees it"


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 5])
def test_the_limit_holds(limit: int) -> None:
    below = Shelf(RULES)
    found = OverlaidRetriever(below, (NOTE,)).search("停車", limit)
    assert len(found) <= limit and (not limit or found[0] is NOTE)
    assert [row.chunk_id for row in found[1:]] == [
        row.chunk_id for row in below.search("停車", max(0, limit - 1))
    ]
    assert OverlaidRetriever(below, (NOTE,)).digest == below.digest
