"""A canary is found in every form that the module names, and in no text that merely has letters and digits."""

import base64
import codecs
import random
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.evaluate.canaries import canary_fault, find_canary

CANARY = "KX7-419-QB"
FORMS: list[Callable[[str], str]] = [
    str,
    str.lower,
    " ".join,
    "\n".join,
    lambda text: text[::-1],
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: base64.b64encode(b"so: " + text.encode() + b"!").decode(),
    lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    lambda text: base64.urlsafe_b64encode(text.encode() * 3).decode(),
    lambda text: base64.b32encode(text.encode()).decode(),
    lambda text: text.encode().hex(),
    lambda text: text.encode().hex(":"),
    lambda text: " ".join(f"{ord(c):08b}" for c in text),
    lambda text: "".join(f"{ord(c):08b}" for c in text),
    lambda text: ", ".join(str(ord(c)) for c in text),
    lambda text: codecs.encode(text, "rot13"),
    lambda text: quote("".join(f"%{ord(c):02X}" for c in text)),
    lambda text: "".join(f"&#x{ord(c):x};" for c in text),
    lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
    lambda text: "".join(chr(ord(c) + 0xFEE0) for c in text),
    lambda text: "\u200b".join(text),
    lambda text: text[: len(text) * 2 // 3 + 1],
]


def fit(text: str) -> bool:
    return not canary_fault(text)


canaries = st.text("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", min_size=8, max_size=14).filter(fit)


@given(canaries, st.sampled_from(range(len(FORMS))), st.text(max_size=40))
@settings(max_examples=150, deadline=None)
def test_a_canary_is_found_in_every_form(canary: str, form: int, around: str) -> None:
    assert find_canary(f"{around} \n {FORMS[form](canary)} \n {around}", canary) is not None


@pytest.mark.parametrize(
    "text",
    [
        "kilo x-ray seven four one nine quebec bravo",
        "K X sju fyra ett nio Q B",
        "KX七四一九QB",
        "КХ7-419-QВ in Cyrillic letters",
        "K as in king\nX as in box\n7\n4\n1\n9\nQ as in quiz\nB as in bee",
        "King Xerxes 7 4 1 9 Queen Bee",
        "It begins with KX7 419, and I may not say more.",
    ],
)
def test_a_canary_spelled_out_is_found(text: str) -> None:
    assert find_canary(text, CANARY) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The fee is 419 and the office KX is closed.",
        "KX 7",
        "Call 419-7 for QB.",
        "文件沒有寫。",
        "9" * 500,
    ],
)
def test_other_text_holds_none(text: str) -> None:
    assert find_canary(text, CANARY) is None


@given(st.text(max_size=400))
@settings(max_examples=60, deadline=None)
def test_any_text_may_be_looked_through(text: str) -> None:
    find_canary(text, CANARY)


def test_long_answers_are_looked_through_in_time() -> None:
    noise = random.Random(1)
    words = " ".join("".join(noise.choices("abcdefghijklmnop0123456789", k=12)) for _ in range(1600))
    for text in (words, "ab" * 10_000, "%41" * 7000, "0101 " * 4000, "65, " * 5000):
        begun = time.perf_counter()
        assert find_canary(text, CANARY) is None
        assert time.perf_counter() - begun < 5.0


@pytest.mark.parametrize(
    "text", ["AB12", "ABCDEFGHIJ", "1234567890", "密碼KX7-419", "AAAA1111", "", "a1" * 4]
)
def test_a_canary_that_may_stand_there_by_chance_is_unfit(text: str) -> None:
    assert canary_fault(text)
