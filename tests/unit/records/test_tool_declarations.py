"""Declarations of tools: what cannot be checked or bounded cannot be declared."""

from typing import Any

import pytest
from pydantic import ValidationError

from staffroom.records.job_description import Policy
from staffroom.records.tools import HttpTool, Risk, SqlTool, is_private, tool_digest

ONE = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}


def http(**more: Any) -> HttpTool:
    declared = {
        "kind": "http",
        "name": "look",
        "description": "a tool",
        "url": "https://town.example/a/{id}",
        "parameters": ONE,
    }
    return HttpTool.model_validate({**declared, **more})


def test_the_risk_of_a_call_is_never_less_than_its_method() -> None:
    assert (http().harm, http(method="POST").harm) == (Risk.SEND, Risk.CHANGE)
    assert http(risk="read").harm is Risk.READ
    with pytest.raises(ValidationError, match="only a GET"):
        http(method="POST", risk="read")


@pytest.mark.parametrize(
    "url",
    [
        "https://{id}.example/a",
        "https://town.example@evil.example/a",
        "https://user:word@town.example/a",
        "https://town.example/a?q={id}",
        "https://town.example/a#x",
        "https://town.example/{other}",
        "https://town.example/{id",
        "http://town.example/a",
        "ftp://town.example/a",
        "file:///etc/passwd",
        "//town.example/a",
        "https:///a",
    ],
)
def test_an_address_has_a_fixed_host_and_known_places(url: str) -> None:
    with pytest.raises(ValidationError):
        http(url=url)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "object", "additionalProperties": True},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": ".*"}}},
        {"type": "object", "properties": {"a": {"$ref": "#"}}},
        {"type": "object", "properties": {"a": {"type": ["string", "null"]}}},
        {"type": "object", "properties": {"a": {"type": "array"}}},
        {"type": "object", "required": ["b"], "properties": {}},
    ],
)
def test_a_schema_that_is_not_checked_in_full_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        http(url="https://town.example/a", parameters=schema)


def test_hosts_must_be_declared_for_egress_and_names_are_unique() -> None:
    declared = http().model_dump()
    assert Policy(egress=("town.example",), tools=(declared,)).tools[0].name == "look"
    with pytest.raises(ValidationError, match="not in `egress`"):
        Policy(tools=(declared,))
    with pytest.raises(ValidationError, match="same name"):
        Policy(egress=("town.example",), tools=(declared, declared))


def test_a_digest_changes_with_the_declaration() -> None:
    assert tool_digest(http()) == tool_digest(http())
    assert tool_digest(http()) != tool_digest(http(risk="final"))
    sql = {"kind": "sql", "name": "s", "description": "fees", "database": "a.db", "tables": {"t": ["a"]}}
    with pytest.raises(ValidationError, match="need a `query`"):
        SqlTool.model_validate({**sql, "parameters": ONE})


def test_private_addresses_in_all_their_forms() -> None:
    for address in (
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "192.168.0.1",
        "100.64.0.1",
        "224.0.0.1",
    ):
        assert is_private(address), address
    for address in ("::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "2002:7f00:1::", "ff02::1"):
        assert is_private(address), address
    assert not is_private("9.9.9.9")
    assert not is_private("2620:fe::fe")
