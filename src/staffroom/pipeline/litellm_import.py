"""Read the configuration of a LiteLLM proxy and say what of it becomes plain models here, line by line.

It must not print or keep a secret where the file names a variable instead: such a key stays a reference (`env:NAME`). What the file
holds and has no place here is listed with the reason, never dropped in silence. Nothing in the file is executed, followed or fetched.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from staffroom.pipeline.plain_models import admit_plain, list_plain
from staffroom.records.errors import WrongUse
from staffroom.records.protocols import Progress
from staffroom.records.source_file import YamlSource, read_yaml
from staffroom.store import Home

__all__ = ["Mapped", "Planned", "Unmapped", "carry_out", "plan_import"]

_HINT = "staffroom import litellm CONFIG.yaml --dry-run"
_ALIAS = re.compile(r"^[a-z0-9][a-z0-9-]{0,62}$")
_VARIABLE = re.compile(r"^os\.environ/([A-Za-z_][A-Za-z0-9_]*)$")
_ENGINES: Mapping[str, tuple[str, str]] = {
    # LiteLLM's name of a kind of server: what it is here, and what its address lacks there.
    "openai": ("openai", ""),
    "custom_openai": ("openai", ""),
    "openai_like": ("openai", ""),
    "text-completion-openai": ("openai", ""),
    "lm_studio": ("openai", ""),
    "llamafile": ("openai", ""),
    "litellm_proxy": ("openai", ""),
    "hosted_vllm": ("vllm", ""),
    "ollama": ("openai", "/v1"),
    "ollama_chat": ("openai", "/v1"),
}
_MODES: Mapping[str, tuple[str, ...]] = {
    "chat": ("chat", "completions"),
    "completion": ("completions",),
    "embedding": ("embeddings",),
    "responses": ("responses", "chat"),
}
_TAKEN_PARAMS = frozenset({"model", "api_base", "base_url", "api_key", "max_tokens", "max_parallel_requests"})
_TAKEN_INFO = frozenset({"mode", "max_input_tokens", "max_output_tokens", "max_tokens", "supports_vision"})
_COSTS = frozenset({"input_cost_per_token", "output_cost_per_token"})
_SILENT_INFO = frozenset(
    {"id", "base_model", "description", "supports_function_calling", "db_model", "created_at"}
)
_SETTINGS: Mapping[str, str] = {
    "general_settings.master_key": "keys are made here: staffroom key create NAME --role operator",
    "general_settings.database_url": "its keys are hashes of another form: make new ones with staffroom key create",
    "general_settings.store_model_in_db": "models in its database are not in this file",
    "litellm_settings.num_retries": "one retry, before the first byte, is built in",
    "litellm_settings.drop_params": "parameters are checked by name; what is unknown is refused or left out, and said",
    "litellm_settings.fallbacks": "another model never answers in silence",
    "litellm_settings.max_budget": "set it with staffroom budget set",
    "litellm_settings.success_callback": "records are kept here, nothing is sent elsewhere",
    "litellm_settings.callbacks": "records are kept here, nothing is sent elsewhere",
    "litellm_settings.cache": "answers are not cached, except for a repeated Idempotency-Key",
    "litellm_settings.telemetry": "nothing is sent anywhere",
    "router_settings.fallbacks": "another model never answers in silence",
    "router_settings.routing_strategy": "one engine stands behind each name",
    "environment_variables": "set these variables for staffroom serve; their values are not read",
    "include": "import that file by itself",
}


@dataclass(frozen=True, slots=True)
class Mapped:
    """A model that becomes a plain one. key: empty, `env:NAME`, or the file's own value, which must not be shown."""

    line: int
    name: str
    alias: str
    base: str
    model: str
    engine: str
    endpoints: tuple[str, ...]
    images: bool
    context: int
    max_output: int
    slots: int
    currency: str
    price_read: Decimal
    price_written: Decimal
    key: str = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """What `staffroom route add` would take."""
        return f"server:{self.base}#{self.model}"

    @property
    def key_shown(self) -> str:
        """What may be said of the key."""
        return self.key if not self.key or self.key.startswith("env:") else "in the file"


@dataclass(frozen=True, slots=True)
class Unmapped:
    """Something of the file that has no place here, and why."""

    line: int
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Planned:
    """The whole file: what maps and what does not."""

    mapped: tuple[Mapped, ...]
    unmapped: tuple[Unmapped, ...]


class _Unfit(Exception):
    """This model has no place here; the text says why."""


def plan_import(path: Path) -> Planned:
    """Read a configuration; raises WrongUse with file and line where it is not one."""
    source = read_yaml(path, hint=_HINT)
    models = source.value.get("model_list")
    if models is None:
        raise WrongUse(
            "no `model_list`: this is no configuration of a LiteLLM proxy", where=f"{path}:1", hint=_HINT
        )
    if not isinstance(models, list) or not models:
        raise WrongUse("`model_list` is no list of models", where=source.where("model_list"), hint=_HINT)
    mapped: dict[str, Mapped] = {}
    unmapped: list[Unmapped] = []
    for number in range(len(models)):
        name, line = _name(source, number), source.line("model_list", number)
        try:
            model = _model(source, number, name)
            if model.alias in mapped:
                raise _Unfit(
                    f"`{model.alias}` is there already (line {mapped[model.alias].line}): one engine a name"
                )
            mapped[model.alias] = model
        except _Unfit as unfit:
            unmapped.append(Unmapped(line, name, str(unfit)))
    _further_names(source, mapped, unmapped)
    unmapped += _rest(source)
    return Planned(tuple(mapped.values()), tuple(sorted(unmapped, key=lambda each: each.line)))


def carry_out(
    home: Home, planned: Planned, sponsor: str, by: str, progress: Progress
) -> list[dict[str, Any]]:
    """Admit every mapped model as `route add` does, unless the home has something else under its name.

    Returns a row for each: {"alias", "admitted", "reason"}. The same again changes nothing.
    """
    known = {row["alias"]: row for row in list_plain(home)}
    rows = []
    for model in planned.mapped:
        there = known.get(model.alias)
        if there is not None and there["source"] != f"endpoint:{model.base}#{model.model}":
            rows.append(
                {"alias": model.alias, "admitted": False, "reason": "the home has another model of this name"}
            )
            continue
        try:
            admit_plain(
                home,
                model.alias,
                model.target,
                sponsor,
                progress,
                engine=model.engine,
                endpoints=model.endpoints,
                images=model.images,
                context=model.context,
                max_output=model.max_output,
                slots=model.slots,
                currency=model.currency,
                price_read=model.price_read,
                price_written=model.price_written,
                key=model.key,
                by=by,
            )
        except WrongUse as error:
            rows.append({"alias": model.alias, "admitted": False, "reason": error.message})
        else:
            rows.append({"alias": model.alias, "admitted": True, "reason": ""})
    return rows


def _name(source: YamlSource, number: int) -> str:
    entry = source.value["model_list"][number]
    place = ("model_list", number)
    if not isinstance(entry, dict):
        raise WrongUse(f"model_list.{number}: a mapping is expected", where=source.where(*place), hint=_HINT)
    name, parameters = entry.get("model_name"), entry.get("litellm_params")
    if not isinstance(name, str) or not name:
        raise WrongUse(
            f"model_list.{number}: `model_name` is missing", where=source.where(*place), hint=_HINT
        )
    if not isinstance(parameters, dict) or not isinstance(parameters.get("model"), str):
        raise WrongUse(
            f"model_list.{number}: `litellm_params.model` is missing",
            where=source.where(*place, "litellm_params"),
            hint=_HINT,
        )
    if not isinstance(entry.get("model_info") or {}, dict):
        where = source.where(*place, "model_info")
        raise WrongUse(f"model_list.{number}.model_info: a mapping is expected", where=where, hint=_HINT)
    return name


def _model(source: YamlSource, number: int, name: str) -> Mapped:
    entry: dict[str, Any] = source.value["model_list"][number]
    parameters: dict[str, Any] = entry["litellm_params"]
    info: dict[str, Any] = entry.get("model_info") or {}
    kind, _, model = parameters["model"].partition("/")
    if "*" in name or "*" in parameters["model"]:
        raise _Unfit("a pattern stands for models that nobody admitted: name each")
    if kind not in _ENGINES or not model:
        raise _Unfit(f"`{kind}` is not a server that speaks OpenAI's API at an address in this file")
    engine, ending = _ENGINES[kind]
    mode = str(info.get("mode", "chat"))
    if mode not in _MODES:
        raise _Unfit(f"mode `{mode}` is not served here")
    reader = _Numbers(source, ("model_list", number))
    costs = {
        **{key: parameters[key] for key in _COSTS & parameters.keys()},
        **{key: info[key] for key in _COSTS & info.keys()},
    }
    context, notes = reader.whole(info, "model_info", "max_input_tokens"), list(_notes(parameters, info))
    alias = _alias(name)
    if alias != name:
        notes.insert(0, f"the name becomes `{alias}`: clients must ask for that")
    if context is None:
        notes.append("the length of its context is not in the file: 4096 tokens are assumed")
    output = reader.whole(info, "model_info", "max_output_tokens") or reader.whole(
        parameters, "litellm_params", "max_tokens"
    )
    return Mapped(
        line=source.line("model_list", number),
        name=name,
        alias=alias,
        base=_base(parameters) + ending,
        model=model,
        engine=engine,
        endpoints=_MODES[mode],
        images=info.get("supports_vision") is True,
        context=context or 4096,
        max_output=min(output or 1024, context or 4096),
        slots=reader.whole(parameters, "litellm_params", "max_parallel_requests") or 4,
        currency="USD" if costs else "TWD",
        price_read=reader.price(costs, "input_cost_per_token"),
        price_written=reader.price(costs, "output_cost_per_token"),
        key=_key(parameters),
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Numbers:
    source: YamlSource
    place: tuple[str | int, ...]

    def whole(self, fields: Mapping[str, Any], of: str, name: str) -> int | None:
        value = fields.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise WrongUse(
                f"{of}.{name}: a whole number above 0 is expected",
                where=self.source.where(*self.place, of, name),
                hint=_HINT,
            )
        return value

    def price(self, costs: Mapping[str, Any], name: str) -> Decimal:
        """Return the price of a million tokens."""
        try:
            value = Decimal(str(costs.get(name) or 0))
        except InvalidOperation:
            value = Decimal(-1)
        if not value.is_finite() or value < 0:
            raise WrongUse(f"{name}: a price is expected", where=self.source.where(*self.place), hint=_HINT)
        return (value * 1_000_000).normalize()


def _base(parameters: Mapping[str, Any]) -> str:
    base = parameters.get("api_base") or parameters.get("base_url")
    if base is None:
        raise _Unfit(
            "its address is not in the file (`api_base`): a hosted service is not called unless somebody names it"
        )
    if _VARIABLE.match(str(base)):
        raise _Unfit(
            "its address is in a variable: write it into the file, since what is admitted must be known"
        )
    parts = urlsplit(str(base))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _Unfit("`api_base` is no address that begins with http:// or https://")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise _Unfit(
            "`api_base` holds a password or a query, which would be in the log: put the key into `api_key`"
        )
    return str(base).rstrip("/")


def _key(parameters: Mapping[str, Any]) -> str:
    value = str(parameters.get("api_key") or "").strip()
    found = _VARIABLE.match(value)
    if found:
        return f"env:{found[1]}"
    if value.lower() in ("none", "null", "empty", "sk-1234", "anything", "fake-key"):
        return ""
    if value.startswith(("os.environ/", "env:")) or not value.isprintable():
        raise _Unfit("`api_key` names no variable and is no key")
    return value


def _notes(parameters: Mapping[str, Any], info: Mapping[str, Any]) -> Iterator[str]:
    left = sorted(parameters.keys() - _TAKEN_PARAMS - _COSTS)
    if left:
        yield f"left behind: {', '.join(left)}"
    unknown = sorted(info.keys() - _TAKEN_INFO - _COSTS - _SILENT_INFO)
    if unknown:
        yield f"left behind of model_info: {', '.join(unknown)}"


def _alias(name: str) -> str:
    alias = re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")[:63].strip("-")
    if not _ALIAS.match(alias):
        raise _Unfit("nothing of this name can stand in an alias (a-z, 0-9, -)")
    return alias


def _further_names(source: YamlSource, mapped: dict[str, Mapped], unmapped: list[Unmapped]) -> None:
    """Take `router_settings.model_group_alias`: further names of models."""
    router = source.value.get("router_settings")
    names = router.get("model_group_alias") if isinstance(router, dict) else None
    for name, of in (names if isinstance(names, dict) else {}).items():
        line = source.line("router_settings", "model_group_alias", name)
        meant = str(of.get("model") if isinstance(of, dict) else of)
        known = next((model for model in mapped.values() if model.name == meant), None)
        try:
            alias = _alias(name)
            if known is None:
                raise _Unfit(f"`{meant}` does not become a model here")
            if alias in mapped:
                raise _Unfit(f"`{alias}` is there already")
        except _Unfit as unfit:
            unmapped.append(Unmapped(line, name, str(unfit)))
        else:
            note = f"another name of `{known.alias}`"
            mapped[alias] = replace(known, line=line, name=name, alias=alias, notes=(note,))


def _rest(source: YamlSource) -> Iterator[Unmapped]:
    for section, value in source.value.items():
        if section == "model_list":
            continue
        if section in _SETTINGS or not isinstance(value, dict):
            yield Unmapped(source.line(section), section, _SETTINGS.get(section, "not known to this import"))
            continue
        for name in value:
            full = f"{section}.{name}"
            if full != "router_settings.model_group_alias":
                yield Unmapped(
                    source.line(section, name), full, _SETTINGS.get(full, "has no counterpart here")
                )
