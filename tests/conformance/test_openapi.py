"""Schemathesis asks what our OpenAPI document allows, and what it forbids, and looks whether the gateway agrees."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from staffroom.pipeline.workers import HomeControl
from staffroom.serve.openapi import openapi
from staffroom.serve.plain import BodyReader
from staffroom.store import Home

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from plain_desk import PlainPlace, plain_model, plain_place

EXAMPLES = 4


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainPlace]:
    """A gateway and its engine in a thread of their own."""
    ready, end, made = threading.Event(), threading.Event(), list[PlainPlace]()

    async def main() -> None:
        home = tmp_path_factory.mktemp("home")
        control = HomeControl(Home(home))
        async with plain_place(home, model=plain_model(images=True), control=control) as there:
            made.append(there)
            ready.set()
            while not end.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(20)
    yield made[0]
    end.set()
    thread.join(20)


DOCUMENT = openapi(BodyReader())
for methods in DOCUMENT["paths"].values():
    for operation_ in methods.values():
        del operation_["security"]  # the key is given by hand, and not left out or broken
DESCRIBED = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = [found.ok() for found in DESCRIBED.get_all_operations()]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: str(mode.value))
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: str(operation.label))
def test_the_gateway_does_what_its_description_says(operation: Any, mode: Any, place: PlainPlace) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate],
    )
    def check(case: Any) -> None:
        name = case.body.get("model") if isinstance(case.body, dict) else None
        if isinstance(name, str) and 0 < len(name) <= 200:
            case.body["model"] = "plain"
        if case.path_parameters and "model" in case.path_parameters:
            case.path_parameters["model"] = "plain"
        headers = {"authorization": f"Bearer {place.token}"}
        case.call_and_validate(base_url=place.url, headers=headers)

    try:
        check()
    except Unsatisfiable:
        # What has neither body nor parameters cannot be asked wrongly.
        assert mode is GenerationMode.NEGATIVE
