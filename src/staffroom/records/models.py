"""Models as candidates: a file bound by its digest, or an endpoint whose weights nobody can bind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from staffroom.records.errors import StaffroomError

__all__ = ["Candidate", "ModelFile"]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file by content: `digest` is `sha256:<hex>`, `bytes` its size.

    `license` and `maker` are empty where nobody said; `source` says in a few words where the file came from.
    """

    digest: str
    name: str
    bytes: int
    license: str
    maker: str
    source: str

    @property
    def hex(self) -> str:
        """The digest without its prefix, as files on disk are named."""
        return self.digest.removeprefix("sha256:")


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may be examined for a job: kind `file` has `model`, kind `endpoint` has `endpoint`.

    An endpoint is an OpenAI-compatible server (address ending in `/v1`), `endpoint_model` the model to ask it for
    (None: the only one it has). Its answers can be recorded, its weights cannot be bound to a digest.
    """

    id: str
    kind: Literal["file", "endpoint"]
    model: ModelFile | None = None
    endpoint: str | None = None
    endpoint_model: str | None = None

    def __post_init__(self) -> None:
        if (self.kind == "file") != (self.model is not None) or (self.kind == "endpoint") != bool(
            self.endpoint
        ):
            raise StaffroomError(
                f"candidate {self.id!r} of kind {self.kind!r} needs a model file or an endpoint, exactly one",
                hint="staffroom models list",
            )

    @property
    def endpoint_bound(self) -> bool:
        """Whether the weights are behind a server, so that a release cannot bind them."""
        return self.kind == "endpoint"

    @property
    def license(self) -> str:
        """The licence, empty where nobody said."""
        return self.model.license if self.model else ""

    @property
    def maker(self) -> str:
        """Who made the model, empty where nobody said."""
        return self.model.maker if self.model else ""

    def as_json(self) -> dict[str, Any]:
        """Return the candidate as canonical JSON data."""
        model = self.model
        return {
            "id": self.id,
            "kind": self.kind,
            "model": {
                "digest": model.digest,
                "name": model.name,
                "bytes": model.bytes,
                "license": model.license,
                "maker": model.maker,
                "source": model.source,
            }
            if model
            else None,
            "endpoint": self.endpoint,
            "endpoint_model": self.endpoint_model,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Candidate":
        """Return the candidate that `as_json` gave."""
        model = data.get("model")
        return cls(
            id=data["id"],
            kind=data["kind"],
            model=ModelFile(**model) if model else None,
            endpoint=data.get("endpoint"),
            endpoint_model=data.get("endpoint_model"),
        )
