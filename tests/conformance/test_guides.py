"""The guide for other programs is executed as it stands: curl in a shell, the official client in Python, in both languages."""

import asyncio
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from plain_desk import PIECES, PlainPlace, plain_model, plain_place

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
FENCE = re.compile(r"^```(sh|python)\n(.*?)^```", re.M | re.S)
NAMES = ("clients.md", "clients.zh-TW.md")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainPlace]:
    """A gateway that serves `town-hall`, in a thread of its own."""
    ready, end, made = threading.Event(), threading.Event(), list[PlainPlace]()

    async def main() -> None:
        path = tmp_path_factory.mktemp("home")
        async with plain_place(path, model=plain_model(alias="town-hall")) as there:
            made.append(there)
            ready.set()
            while not end.is_set():
                await asyncio.sleep(0.05)

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(60)
    yield made[0]
    end.set()
    thread.join(60)


def blocks(name: str, kind: str) -> list[str]:
    return [
        text for found, text in FENCE.findall((GUIDES / name).read_text(encoding="utf-8")) if found == kind
    ]


def environment(place: PlainPlace) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    return {**kept, "OPENAI_BASE_URL": f"{place.url}/v1", "OPENAI_API_KEY": place.token}


@pytest.mark.parametrize("name", NAMES)
def test_curl(place: PlainPlace, name: str) -> None:
    (text,) = blocks(name, "sh")
    first, _, rest = text.partition("\n")
    assert first.startswith("export OPENAI_BASE_URL=") and "OPENAI_API_KEY=sr-" in first
    done = subprocess.run(
        ["sh", "-eu", "-c", rest],
        env=environment(place),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"id":"town-hall"' in done.stdout.replace(" ", "")
    assert '"content":"Hello"' in done.stdout.replace(" ", "")
    if "stream" in rest:
        assert done.stdout.rstrip().endswith("data: [DONE]")


@pytest.mark.parametrize("name", NAMES)
def test_the_official_client(place: PlainPlace, name: str) -> None:
    (text,) = [block for block in blocks(name, "python") if "import OpenAI\n" in block]
    done = subprocess.run(
        [sys.executable, "-c", text],
        env=environment(place),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("".join(PIECES).strip(), "Hello")


def test_both_languages_show_the_same_frameworks() -> None:
    frameworks = [
        [block for block in blocks(name, "python") if "import OpenAI\n" not in block] for name in NAMES
    ]
    assert len(frameworks[0]) == 2
    calls = [[line for line in "".join(found).splitlines() if "#" not in line] for found in frameworks]
    assert calls[0] == calls[1]
