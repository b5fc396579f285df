"""A LiteLLM configuration: what maps, what does not and why, by line; no secret is shown; wrong files are named by line."""

import os
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_backup import Quiet

from staffroom.cli import run
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.litellm_import import carry_out, plan_import
from staffroom.pipeline.plain_models import list_plain, open_plain
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.store import Database, Home, PlainModels

CONFIG = """\
model_list:
  - model_name: drafts
    litellm_params:
      model: hosted_vllm/Qwen/Qwen3-8B
      api_base: http://gpu-box:8000/v1
      api_key: os.environ/GPU_BOX_KEY
      max_parallel_requests: 16
      rpm: 600
    model_info:
      max_input_tokens: 32768
      max_output_tokens: 4096
      input_cost_per_token: 0.00000015
      output_cost_per_token: 6e-07
  - model_name: GPT-3.5-Turbo
    litellm_params:
      model: openai/served-name
      api_base: https://models.example.org/v1/
      api_key: sk-in-the-file-0123456789
  - model_name: vectors
    litellm_params: {model: ollama/bge-m3, api_base: "http://127.0.0.1:11434"}
    model_info: {mode: embedding}
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_API_KEY
  - model_name: claude
    litellm_params: {model: anthropic/claude, api_key: os.environ/ANTHROPIC_API_KEY}
  - model_name: drafts
    litellm_params: {model: openai/second, api_base: "http://other:8000/v1"}
  - model_name: "openai/*"
    litellm_params: {model: "openai/*", api_base: "http://other:8000/v1"}
  - model_name: leaky
    litellm_params: {model: openai/x, api_base: "http://user:hunter2@other:8000/v1"}
  - model_name: 週報
    litellm_params: {model: openai/x, api_base: "http://other:8000/v1"}
  - model_name: pictures
    litellm_params: {model: openai/x, api_base: "http://other:8000/v1"}
    model_info: {mode: image_generation}
litellm_settings:
  fallbacks: [{"drafts": ["gpt-4o"]}]
  num_retries: 3
general_settings:
  master_key: sk-master-secret
  database_url: "postgresql://user:hunter2@db/litellm"
router_settings:
  routing_strategy: usage-based-routing-v2
  model_group_alias: {"letters": "drafts", "four": "gpt-4o"}
environment_variables:
  GPU_BOX_KEY: sk-another-secret
something_new: true
"""
SECRETS = ("sk-in-the-file", "sk-master-secret", "hunter2", "sk-another-secret")


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def test_what_maps(config: Path) -> None:
    drafts, turbo, vectors, letters = plan_import(config).mapped
    assert (drafts.alias, drafts.target, drafts.engine) == (
        "drafts",
        "server:http://gpu-box:8000/v1#Qwen/Qwen3-8B",
        "vllm",
    )
    assert (drafts.context, drafts.max_output, drafts.slots, drafts.line) == (32768, 4096, 16, 2)
    assert (drafts.currency, drafts.price_read, drafts.price_written) == (
        "USD",
        Decimal("0.15"),
        Decimal("0.6"),
    )
    assert (drafts.key, drafts.key_shown) == ("env:GPU_BOX_KEY",) * 2
    assert drafts.notes == ("left behind: rpm",)
    assert (turbo.alias, turbo.base, turbo.key_shown) == (
        "gpt-3-5-turbo",
        "https://models.example.org/v1",
        "in the file",
    )
    assert (
        "the name becomes `gpt-3-5-turbo`" in turbo.notes[0] and "4096 tokens are assumed" in turbo.notes[1]
    )
    assert (vectors.base, vectors.endpoints, vectors.key) == (
        "http://127.0.0.1:11434/v1",
        ("embeddings",),
        "",
    )
    assert (letters.alias, letters.target, letters.notes) == (
        "letters",
        drafts.target,
        ("another name of `drafts`",),
    )


def test_everything_else_is_listed_with_its_line_and_reason(config: Path) -> None:
    left = {(each.name, each.line): each.reason for each in plan_import(config).unmapped}
    lines = CONFIG.splitlines()
    for (name, line), reason in left.items():
        assert name.rpartition(".")[2] in lines[line - 1], (name, line)
        assert reason
    assert left.keys() == {
        ("gpt-4o", 22),
        ("claude", 26),
        ("drafts", 28),
        ("openai/*", 30),
        ("leaky", 32),
        ("週報", 34),
        ("pictures", 36),
        ("litellm_settings.fallbacks", 40),
        ("litellm_settings.num_retries", 41),
        ("general_settings.master_key", 43),
        ("general_settings.database_url", 44),
        ("router_settings.routing_strategy", 46),
        ("four", 47),
        ("environment_variables", 48),
        ("something_new", 50),
    }
    assert "address is not in the file" in left["gpt-4o", 22]
    assert "line 2" in left["drafts", 28]
    assert "holds a password" in left["leaky", 32]


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_no_secret_is_printed(
    config: Path, tmp_path: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {"STAFFROOM_HOME": str(tmp_path / "home"), "GPU_BOX_KEY": "sk-value-of-the-variable"}
    for more in (["--dry-run"], ["--sponsor", "Lin Mei-hua"]):
        assert run(["import", "litellm", str(config), *more, *flags], environment) == 0
        said = "".join(capsys.readouterr())
        assert not [secret for secret in (*SECRETS, "sk-value") if secret in said]
        assert "gpu-box" in said and "GPU_BOX_KEY" in said
        assert not (tmp_path / "home").exists() or more[0] == "--sponsor"
    plan = plan_import(config)
    assert not [secret for secret in SECRETS if secret in repr(plan)]


def test_what_is_carried_out(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home").ensure()
    rows = carry_out(home, plan_import(config), "Lin Mei-hua", "ops", Quiet())
    assert [row["alias"] for row in rows if row["admitted"]] == [
        "drafts",
        "gpt-3-5-turbo",
        "vectors",
        "letters",
    ]
    assert {row["alias"] for row in list_plain(home)} == {"drafts", "gpt-3-5-turbo", "vectors", "letters"}
    kept = home.keys / "engine-drafts.key"
    assert kept.read_text() == "env:GPU_BOX_KEY\n"  # a reference stays one
    assert (home.keys / "engine-gpt-3-5-turbo.key").read_text() == "sk-in-the-file-0123456789\n"
    assert "sk-" not in str([item.entry for item in DecisionLog(home).entries()])
    before = DecisionLog(home).size()
    carry_out(home, plan_import(config), "Lin Mei-hua", "ops", Quiet())
    assert DecisionLog(home).size() == before
    config.write_text(CONFIG.replace("gpu-box", "other-box"), encoding="utf-8")
    again = carry_out(home, plan_import(config), "Lin Mei-hua", "ops", Quiet())
    assert [row["reason"] for row in again if not row["admitted"]] == [
        "the home has another model of this name"
    ] * 2
    monkeypatch.delenv("GPU_BOX_KEY", raising=False)
    with pytest.raises(StaffroomError, match="variable GPU_BOX_KEY, which is not set"):
        _opened(home, "drafts")
    monkeypatch.setenv("GPU_BOX_KEY", "sk-value")
    _opened(home, "drafts")


def _opened(home: Home, alias: str) -> None:
    import asyncio

    async def main() -> None:
        with Database(home.database) as database:
            admitted = PlainModels(database).get(alias)
        assert admitted is not None
        await (await open_plain(home, admitted)).close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("model_list: [", 1, "not valid YAML"),
        ("general_settings: {}\n", 1, "no `model_list`"),
        ("general_settings: {}\nmodel_list: yes\n", 2, "no list of models"),
        ("model_list:\n  - model_name: a\n  - b\n", 2, "`litellm_params.model` is missing"),
        ("model_list:\n  - a\n", 2, "a mapping is expected"),
        ("model_list:\n  - litellm_params: {model: openai/x}\n", 2, "`model_name` is missing"),
        ("model_list:\n  - model_name: a\n    litellm_params:\n      api_base: http://x\n", 3, "is missing"),
        (
            "model_list:\n  - model_name: a\n    litellm_params:\n      model: openai/x\n"
            "      api_base: http://x/v1\n    model_info:\n      max_input_tokens: many\n",
            7,
            "model_info.max_input_tokens: a whole number",
        ),
        (
            "model_list:\n  - model_name: a\n    litellm_params:\n      model: openai/x\n"
            "      api_base: http://x/v1\n      input_cost_per_token: -1\n",
            2,
            "input_cost_per_token: a price is expected",
        ),
    ],
)
def test_wrong_files_are_named_by_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(WrongUse, match=said) as caught:
        plan_import(path)
    assert caught.value.where == f"{path}:{line}"
    assert "staffroom import litellm" in caught.value.hint


def test_somebody_must_answer(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", "litellm", str(config)], {"STAFFROOM_HOME": str(tmp_path / "home")}) == 2
    assert "--dry-run" in capsys.readouterr().err
    assert run(["import", "litellm", str(tmp_path / "gone.yaml"), "--dry-run"], {}) == 2


NODES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(["openai/x", "os.environ/A", "http://h/v1", "#", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["model_name", "litellm_params", "model", "api_base", "api_key", "model_info", "mode"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["model_list", "router_settings", "include"]), NODES, max_size=3))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    import json

    path = tmp_path_factory.mktemp("any") / "config.yaml"
    path.write_text(json.dumps(value))
    try:
        plan_import(path)
    except WrongUse as error:
        assert error.where.startswith(str(path))
