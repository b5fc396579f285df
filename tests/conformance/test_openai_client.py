"""The official `openai` client, as people use it, against the gateway."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import openai
import pytest

from staffroom.engine.errors import EngineLost
from staffroom.records.agent import AgentAnswer, AgentSpec, ChatTurn, ChoiceAnswer, Citation, Outcome
from staffroom.records.digests import digest_bytes
from staffroom.records.protocols import TextListener
from staffroom.serve import (
    DocumentLinks,
    DutyLog,
    EngineQueue,
    Gateway,
    GatewayServer,
    Permits,
    ServedRelease,
    resume,
    suspend,
)
from staffroom.store import ApiKeys, Database, Home

RELEASE = digest_bytes(b"release")
ASK = [{"role": "user", "content": "規費多少？"}]


class ScriptedAgent:
    """Answers by the question: `long` is a slow long answer, `lost` loses its engine in the middle."""

    spec = AgentSpec("clerk", "sha256:b", "e", "i", "p", "p", "g", "zh-TW")

    async def answer(
        self, turns: Sequence[ChatTurn], *, seed: int = 0, on_text: TextListener | None = None
    ) -> AgentAnswer:
        question = turns[-1].content
        pieces = ["字"] * 2000 if question == "long" else ["規費", "三十元", "。"]
        for piece in pieces:
            await asyncio.sleep(0.005 if question != "規費多少？" else 0)
            if on_text is not None:
                on_text(piece)
        if question == "lost":
            raise EngineLost("the child process ended")
        place = Citation(1, "c1", "規費.odt", digest_bytes(b"d"), "第一條", None, 0, 3, "規費為", None)
        text = "".join(pieces)
        return AgentAnswer(text, text, Outcome.ANSWERED, "grounded", (place,), ("c1",), 11, 3)

    async def choose(self, question: str, choices: Sequence[str], *, seed: int = 0) -> ChoiceAnswer:
        raise AssertionError("the gateway asks no choice items")


@dataclass
class Office:
    """A gateway in a thread of its own."""

    url: str
    keys: ApiKeys
    permits: Permits
    token: str

    def client(self, token: str | None = None, retries: int = 0) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=token or self.token, max_retries=retries)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    home = Home(Path(tmp_path_factory.mktemp("home"))).ensure()
    permits = Permits(home.permits)
    permits.grant("clerk", RELEASE)
    with Database(home.database) as database, DutyLog(home.private / "duty") as duty:
        keys = ApiKeys(database)
        gateway = Gateway(
            permits=permits,
            keys=keys,
            duty=duty,
            documents=lambda _: None,
            links=DocumentLinks.of(home.keys),
        )
        gateway.serve(ServedRelease("clerk", RELEASE, ScriptedAgent(), EngineQueue(slots=2), "AI"))
        server = GatewayServer(gateway, port=0, drain_seconds=1)
        ready = threading.Event()
        thread = threading.Thread(
            target=lambda: asyncio.run(server.run(on_ready=lambda _: ready.set())), daemon=True
        )
        thread.start()
        assert ready.wait(10)
        _, token = keys.create("conformance")
        yield Office(server.address.url, keys, permits, token)
        server.stop()
        thread.join(10)
        assert not thread.is_alive()


def test_models(office: Office) -> None:
    with office.client() as client:
        (model,) = list(client.models.list())
        assert (model.id, model.object, model.owned_by) == ("clerk", "model", "staffroom")
        assert client.models.retrieve("clerk").id == "clerk"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("nobody")


def test_a_plain_answer(office: Office) -> None:
    with office.client() as client:
        raw = client.chat.completions.with_raw_response.create(
            model="clerk", messages=ASK, temperature=0.2, seed=3, user="u", store=False, metadata={"a": "b"}
        )
        answer = raw.parse()
    assert raw.headers["x-staffroom-release"] == RELEASE
    assert answer.choices[0].message.content == "規費三十元。"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 14
    assert answer._request_id is not None
    assert answer._request_id.startswith("req_")
    extra = answer.choices[0].message.model_extra
    assert extra is not None
    assert extra["citations"][0]["document"] == "規費.odt"
    assert answer.model_extra is not None
    assert answer.model_extra["staffroom"]["audit_id"] == raw.headers["x-staffroom-audit"]


def test_a_streamed_answer(office: Office) -> None:
    with (
        office.client() as client,
        client.chat.completions.create(
            model="clerk", messages=ASK, stream=True, stream_options={"include_usage": True}
        ) as stream,
    ):
        chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "規費三十元。"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3
    last = chunks[-2].choices[0]
    assert last.finish_reason == "stop"
    assert last.delta.model_extra is not None
    assert last.delta.model_extra["citations"][0]["number"] == 1


def test_the_client_s_stream_helper_accepts_it(office: Office) -> None:
    with office.client() as client, client.chat.completions.stream(model="clerk", messages=ASK) as stream:
        stream.until_done()
        assert stream.get_final_completion().choices[0].message.content == "規費三十元。"


def test_the_asynchronous_client(office: Office) -> None:
    async def main() -> str:
        async with openai.AsyncOpenAI(base_url=f"{office.url}/v1", api_key=office.token) as client:
            answer = await client.chat.completions.create(model="clerk", messages=ASK)
            return answer.choices[0].message.content or ""

    assert asyncio.run(main()) == "規費三十元。"


def test_errors_are_the_client_s_own(office: Office) -> None:
    with office.client() as client:
        with pytest.raises(openai.NotFoundError) as missing:
            client.chat.completions.create(model="gpt-4o", messages=ASK)
        assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
        assert "clerk" in missing.value.message
        with pytest.raises(openai.BadRequestError) as tools:
            client.chat.completions.create(
                model="clerk", messages=ASK, tools=[{"type": "function", "function": {"name": "f"}}]
            )
        assert (tools.value.code, tools.value.param) == ("unsupported_parameter", "tools")
        with pytest.raises(openai.BadRequestError) as many:
            client.chat.completions.create(model="clerk", messages=ASK, n=2)
        assert many.value.param == "n"
        with pytest.raises(openai.NotFoundError):
            client.embeddings.create(model="clerk", input="x")


def test_keys(office: Office) -> None:
    key, token = office.keys.create("judge only", aliases=["judge"], lifetime=timedelta(days=1))
    with office.client(token) as client:
        with pytest.raises(openai.PermissionDeniedError):
            client.chat.completions.create(model="clerk", messages=ASK)
        assert list(client.models.list()) == []
        office.keys.revoke(key.id)
        with pytest.raises(openai.AuthenticationError) as revoked:
            client.models.list()
        assert "revoked" in revoked.value.message
    with office.client("sk-unknown") as client, pytest.raises(openai.AuthenticationError):
        client.models.list()


def test_a_lost_engine_raises_within_the_stream(office: Office) -> None:
    with office.client() as client:
        stream = client.chat.completions.create(
            model="clerk", messages=[{"role": "user", "content": "lost"}], stream=True
        )
        with pytest.raises(openai.APIError) as caught:
            list(stream)
    assert caught.value.code == "engine_lost"


def test_a_suspension_ends_a_stream_and_is_not_retried(office: Office) -> None:
    texts: list[float] = []
    with office.client(retries=2) as client:
        stream = client.chat.completions.create(
            model="clerk", messages=[{"role": "user", "content": "long"}], stream=True
        )
        stopped = 0.0
        with pytest.raises(openai.APIError) as caught:
            for _ in stream:
                texts.append(time.perf_counter())
                if len(texts) == 20:
                    suspend(Permits(office.permits.folder), "clerk", reason="complaint")
                    stopped = time.perf_counter()
        assert caught.value.code == "worker_suspended"
        assert texts[-1] - stopped < 0.25
        asked = time.perf_counter()
        with pytest.raises(openai.InternalServerError) as standing:
            client.chat.completions.create(model="clerk", messages=ASK)
        assert standing.value.status_code == 503
        assert standing.value.code == "worker_suspended"
        assert time.perf_counter() - asked < 0.4, "the client was told not to retry"
        resume(office.permits, "clerk", RELEASE, reason="settled")
        assert client.chat.completions.create(model="clerk", messages=ASK).choices
