"""Function tools of a job: what each does, what it takes, and how much harm a wrong call could do.

A declaration is what an approver is shown and what a call is checked against; its digest is part of an approval, so a
tool that was declared anew needs a new one.
"""

import re
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from staffroom.records.digests import digest_value
from staffroom.records.tool_arguments import ArgumentFault, require_schema

__all__ = ["HttpTool", "Risk", "SearchTool", "SqlTool", "Tool", "is_private", "tool_digest"]

_PLACE = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_NAME = r"^[a-z][a-z0-9_]{0,47}$"


class Risk(StrEnum):
    """What a wrong call could do; later ones include the earlier.

    read: it looks, and what it looks at stays here.  send: words leave for somebody else.  change: something is other than
    before, and can be put right.  final: it cannot be undone.
    """

    READ = "read"
    SEND = "send"
    CHANGE = "change"
    FINAL = "final"

    @property
    def risky(self) -> bool:
        """Whether untrusted text in the context takes the right to it away."""
        return self is not Risk.READ


class _Tool(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    name: str = Field(pattern=_NAME, description="What the model calls it by.")
    description: str = Field(min_length=4, max_length=1000, description="What it does, for the model.")
    approver: Literal["operator", "sponsor"] = Field(
        "operator", description="Who may approve a call of it: any operator, or the sponsor alone."
    )


class HttpTool(_Tool):
    """A call to a server: the address is fixed here, arguments become parts of the path, the query or the body."""

    kind: Literal["http"]
    risk: Risk | None = Field(
        None, description="read, send, change or final; without it a GET is `send`, anything else `change`."
    )
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = Field("GET", description="Of the request.")
    url: str = Field(
        description="https://host/path/{argument}; its host must stand in `policy.egress`. Arguments without a place in "
        "the path go into the query (GET, DELETE) or into a JSON body."
    )
    parameters: dict[str, Any] = Field(description="JSON Schema of the arguments (the part that is checked).")
    private_network: bool = Field(
        False, description="The host is in a private network; otherwise an address there is refused."
    )
    timeout_seconds: float = Field(10.0, gt=0, le=60, description="For the whole call.")
    response_bytes: int = Field(65_536, ge=1, le=1 << 20, description="A longer answer is refused.")

    @model_validator(mode="after")
    def _sound(self) -> "HttpTool":
        _checked(self.parameters)
        parts = urlsplit(self.url)
        place = f"{parts.path}"
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ValueError("`url` must be http:// or https:// with a host")
        if parts.username or parts.password or parts.query or parts.fragment or "{" in parts.netloc:
            raise ValueError("`url` has a host and a path only; arguments stand in the path")
        if parts.scheme == "http" and not self.private_network:
            raise ValueError("plain http:// is for `private_network: true` only")
        names = _PLACE.findall(place)
        if "{" in _PLACE.sub("", place) or not set(names) <= set(self.parameters.get("required", ())):
            raise ValueError("each {argument} of the path must be a required argument")
        for name in names:
            if self.parameters["properties"][name]["type"] not in ("string", "integer"):
                raise ValueError(f"`{name}` stands in the path: it must be a string or an integer")
        if self.method != "GET" and self.harm is Risk.READ:
            raise ValueError("only a GET can be `risk: read`")
        return self

    @property
    def host(self) -> str:
        """Where it goes."""
        return (urlsplit(self.url).hostname or "").lower()

    @property
    def places(self) -> frozenset[str]:
        """The arguments that stand in the path."""
        return frozenset(_PLACE.findall(urlsplit(self.url).path))

    @property
    def harm(self) -> Risk:
        """Its risk, by declaration or by its method."""
        return self.risk or (Risk.SEND if self.method == "GET" else Risk.CHANGE)


class SqlTool(_Tool):
    """Questions to a SQLite file, which is opened for reading and lets nothing be asked but what is declared."""

    kind: Literal["sql"]
    database: Path = Field(description="The file, relative to the job description.")
    tables: dict[str, tuple[str, ...]] = Field(
        min_length=1, description="Tables that may be read, each with its columns."
    )
    query: str | None = Field(
        None,
        description="The statement, with `:argument` for each; without it the model writes the statement.",
    )
    parameters: dict[str, Any] = Field(
        {"type": "object", "properties": {}}, description="JSON Schema of the query's arguments."
    )
    rows: int = Field(50, ge=1, le=1000, description="Rows that an answer may have.")
    timeout_seconds: float = Field(5.0, gt=0, le=60, description="For the whole question.")

    @model_validator(mode="after")
    def _sound(self) -> "SqlTool":
        _checked(self.parameters)
        if self.query is None and self.parameters.get("properties"):
            raise ValueError("arguments need a `query` that uses them")
        return self

    @property
    def harm(self) -> Risk:
        """It only reads."""
        return Risk.READ

    @property
    def taken(self) -> dict[str, Any]:
        """The arguments it takes: those of its query, or the statement itself."""
        if self.query is not None:
            return self.parameters
        statement = {
            "type": "string",
            "minLength": 1,
            "maxLength": 4000,
            "description": "One SELECT statement.",
        }
        return {"type": "object", "properties": {"sql": statement}, "required": ["sql"]}


class SearchTool(_Tool):
    """A search in the worker's own documents."""

    kind: Literal["search"]
    results: int = Field(5, ge=1, le=20, description="Excerpts that an answer may have.")

    @property
    def harm(self) -> Risk:
        """It only reads."""
        return Risk.READ

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments it takes."""
        question = {"type": "string", "minLength": 1, "maxLength": 1000, "description": "What is looked for."}
        return {"type": "object", "properties": {"question": question}, "required": ["question"]}


Tool = Annotated[HttpTool | SqlTool | SearchTool, Field(discriminator="kind")]


def tool_digest(tool: HttpTool | SqlTool | SearchTool) -> str:
    """Return the digest of a declaration."""
    return digest_value(tool.model_dump(mode="json"))


def is_private(address: str) -> bool:
    """Say whether an IP address is not one of the public internet."""
    found = ip_address(address)
    inner = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return not found.is_global or found.is_multicast or (inner is not None and not inner.is_global)


def _checked(parameters: dict[str, Any]) -> None:
    try:
        require_schema(parameters)
    except ArgumentFault as fault:
        raise ValueError(str(fault)) from fault
