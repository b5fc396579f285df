"""Where guardrails look at a plain model's traffic: the request before it goes in, the answer before it goes out.

Bytes in which nothing is found leave as they came. A streamed answer is held back by a window, a clause at most
(`text.personal.cuts`), never the whole of it: an event leaves when all of its text is certain. Where something is masked,
the events that hold it are written anew, and only those; what a `logprobs` field would tell of it goes with it.

1. `mask_request` rewrites the texts of a request; 2. `mask_answer` those of an answer in one piece; 3. `HeldEvents` is for
streams. It must not know what an engine, a key or a budget is. Not examined: names of functions, ids, images.
"""

import json
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from staffroom.records.guardrails import Ruling, Stage
from staffroom.serve.guardrails import Change, GuardedStream, KnownContacts, Tally, TextGuard

__all__ = ["Blocked", "HeldEvents", "MaskedRequest", "mask_answer", "mask_request"]

_STEP = 8
_KNOWN_CHARACTERS = 65_536
_FIELDS = "content|arguments|reasoning_content|reasoning|refusal|text|delta"
_TEXT = re.compile(rb'"(%s)":\s?"((?:[^"\\]|\\.)*)"' % _FIELDS.encode())
_SAID = frozenset(_FIELDS.split("|")) - {"delta"}
_DELTA = re.compile(rb'"type":\s?"(response\.[a-z_.]+\.delta)"')
_REPEATS = re.compile(rb'"(?:text|arguments|refusal)":\s?"')
# What is no text of anybody: names that things are called by, and what stays here anyway.
_NAMES = frozenset(
    [
        "model",
        "role",
        "type",
        "id",
        "tool_call_id",
        "call_id",
        "url",
        "detail",
        "stop",
        "name",
        "$ref",
        "pattern",
        "format",
        "tool_choice",
        "reasoning_effort",
        "verbosity",
        "encoding_format",
        "user",
        "service_tier",
        "prompt_cache_key",
        "safety_identifier",
    ]
)
_NEVER = frozenset(["image_url", "metadata"])
_QUOTES = re.compile(r'\\.|"', re.DOTALL)


class Blocked(Exception):
    """A guardrail ends this; `reason` may be shown, `rulings` go into the record."""

    def __init__(self, reason: str, rulings: tuple[Ruling, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.rulings = rulings


@dataclass(frozen=True, slots=True)
class MaskedRequest:
    """A request as the engine may see it, and what was found.

    texts: the latest of its texts as they came (64 Ki characters), whose contacts may be told.
    """

    body: dict[str, Any]
    texts: tuple[str, ...]
    rulings: tuple[Ruling, ...]


def mask_request(guard: TextGuard, body: dict[str, Any]) -> MaskedRequest:
    """Return a request with its texts examined; raises Blocked."""
    walk = _Walk(guard, Stage.INPUT, guard.contacts())
    masked = walk.request(body)
    return MaskedRequest(masked, _latest(walk.texts), walk.tally.rulings)


def mask_answer(
    guard: TextGuard, answer: Any, asked: Sequence[str], *, json_content: bool
) -> tuple[bool, tuple[Ruling, ...]]:
    """Examine an answer in one piece, in its place; returns whether it was changed. Raises Blocked.

    asked: texts whose contacts may be told.  json_content: its content is JSON, and must stay JSON.
    """
    walk = _Walk(guard, Stage.OUTPUT, guard.contacts(asked), json_content=json_content)
    return walk.answer(answer), walk.tally.rulings


class _Walk:
    """Examines the texts of a value one by one."""

    def __init__(
        self, guard: TextGuard, stage: Stage, contacts: KnownContacts, *, json_content: bool = False
    ) -> None:
        self._guard = guard
        self._stage = stage
        self._contacts = contacts
        self._json = ("arguments", "content", "text") if json_content else ("arguments",)
        self._joins = bool(guard.plan.topics)
        self.texts: list[str] = []
        self.tally = Tally()

    def request(self, value: Any, name: str = "") -> Any:
        if isinstance(value, str):
            self.texts.append(value)
            return self._examined(value, name)
        if isinstance(value, dict):
            # A message has a name of a person, everything else one of a thing.
            named = _NAMES - {"name"} if "role" in value else _NAMES
            return {
                key: each
                if key in _NEVER or (key in named and isinstance(each, str))
                else self.request(each, key)
                for key, each in value.items()
            }
        if isinstance(value, list):
            if self._joins and name == "content":
                # A word that is cut in two between parts is one word to the model.
                self._examined("".join(str(part.get("text", "")) for part in value), "", count=False)
            return [self.request(each, name) for each in value]
        return value

    def answer(self, value: Any) -> bool:
        if isinstance(value, list):
            changes = [self.answer(each) for each in value]
            return any(changes)
        if not isinstance(value, dict):
            return False
        changed = False
        for key, each in value.items():
            if isinstance(each, str):
                if key in _SAID and (said := self._examined(each, key)) != each:
                    value[key], changed = said, True
            elif self.answer(each):
                changed = True
        if changed:
            _forget_tokens(value)
        return changed

    def _examined(self, text: str, name: str, *, count: bool = True) -> str:
        stream = self._guard.stream(self._stage, self._contacts)
        served = stream.feed(text) + stream.finish()
        if count:
            self.tally.add(stream.rulings)
        if stream.blocked:
            if not count:
                self.tally.add(stream.rulings)
            raise Blocked(stream.blocked, self.tally.rulings)
        if stream.changes and name in self._json:
            return _applied(text, 0, [_within_json(change, text) for change in stream.changes])
        return served


class _Channel:
    """One text of a stream, which comes in parts: the content, a reasoning, the arguments of calls."""

    __slots__ = ("guard", "left", "length", "source", "waiting")

    def __init__(self, guard: GuardedStream, *, is_json: bool) -> None:
        self.guard = guard
        self.length = self.left = 0
        self.waiting = ""
        self.source: list[str] | None = [] if is_json else None

    def take(self, text: str) -> int:
        """Take the next part and return where it ends."""
        self.length += len(text)
        self.waiting += text
        if self.source is not None:
            self.source.append(text)
        if len(self.waiting) >= _STEP:
            self.guard.feed(self.waiting)
            self.waiting = ""
        return self.length

    def finish(self) -> None:
        self.guard.feed(self.waiting)
        self.guard.finish()
        self.waiting = ""

    def changes_before(self, end: int) -> list[Change]:
        """Return the changes that begin before a place, and forget those that end there too."""
        changes = self.guard.changes
        found: list[Change] = []
        while changes and changes[0].start < end:
            change = changes[0]
            if self.source is not None and change.instead:
                change = _within_json(change, "".join(self.source))
            found.append(change)
            if change.end > end:
                # The rest of it is dropped from the next event on.
                changes[0] = Change(end, change.end, "")
                break
            changes.pop(0)
        return found


_Ends = tuple[tuple[_Channel, int], ...]


class HeldEvents:
    """Holds the events of a streamed answer back until their text is certain.

    `feed` whole events, then take the `rest`; where `blocked` is set, what it returned is the last that may leave.
    repeats: the stream repeats its texts whole in later events, as that of `/v1/responses` does.
    """

    def __init__(
        self, guard: TextGuard, asked: Sequence[str], *, repeats: bool = False, json_content: bool = False
    ) -> None:
        self._guard = guard
        self._contacts = guard.contacts(asked)
        self._repeats = repeats
        self._json_content = json_content
        self._held: deque[tuple[_Ends, bytes]] = deque()
        self._channels: dict[bytes, _Channel] = {}
        self._all: list[_Channel] = []
        self._whole = _Walk(guard, Stage.OUTPUT, self._contacts, json_content=json_content)
        self.blocked = ""

    @property
    def rulings(self) -> tuple[Ruling, ...]:
        """What was found so far; what a stream repeats counts once."""
        tally = Tally()
        for channel in self._all:
            tally.add(channel.guard.rulings)
        seen = {(each.guardrail, each.verdict, each.reason) for each in tally.rulings}
        tally.add(
            each
            for each in self._whole.tally.rulings
            if (each.guardrail, each.verdict, each.reason) not in seen
        )
        return tally.rulings

    def feed(self, data: bytes) -> bytes:
        """Take whole events and return those that may leave."""
        if self.blocked:
            return b""
        if self._repeats:
            for event in data.split(b"\n\n"):
                if event and not self.blocked:
                    self._take_typed(event + b"\n\n")
        else:
            self._take(data)
        return self._release()

    def rest(self) -> bytes:
        """Return all that is left, at the end of the answer."""
        self._finish()
        return self._release()

    def _take(self, data: bytes) -> None:
        found = _TEXT.findall(data)
        if len(found) == 1:
            channel = self._channel(found[0][0])
            self._held.append((((channel, channel.take(_decoded(found[0][1]))),), data))
            return
        ends: dict[_Channel, int] = {}
        for name, escaped in found:
            channel = self._channel(name)
            ends[channel] = channel.take(_decoded(escaped))
        self._held.append((tuple(ends.items()), data))

    def _take_typed(self, event: bytes) -> None:
        kind = _DELTA.search(event)
        if kind is not None:
            found = _TEXT.findall(event)
            channel = self._channel(kind[1])
            end = channel.length
            for _, escaped in found:
                end = channel.take(_decoded(escaped))
            self._held.append((((channel, end),), event))
            return
        if _REPEATS.search(event) is not None:
            # What came in parts is told again as a whole: the parts are all there.
            self._finish()
            self._channels.clear()
            if not any(channel.guard.blocked for channel in self._all):
                event = self._examined(event)
        self._held.append(((), event))

    def _examined(self, event: bytes) -> bytes:
        head, mark, body = event.partition(b"data:")
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            return event
        try:
            changed = self._whole.answer(value)
        except Blocked as blocked:
            self.blocked = blocked.reason
            return b""
        return head + mark + b" " + orjson.dumps(value) + b"\n\n" if changed else event

    def _channel(self, name: bytes) -> _Channel:
        channel = self._channels.get(name)
        if channel is None:
            is_json = b"arguments" in name or (self._json_content and name in (b"content", b"text"))
            channel = _Channel(self._guard.stream(Stage.OUTPUT, self._contacts), is_json=is_json)
            self._channels[name] = channel
            self._all.append(channel)
        return channel

    def _finish(self) -> None:
        for channel in self._channels.values():
            channel.finish()

    def _release(self) -> bytes:
        leaving: list[bytes] = []
        while self._held:
            ends, data = self._held[0]
            for channel, end in ends:
                if channel.guard.cleared < end:
                    if channel.guard.blocked:
                        self.blocked = channel.guard.blocked
                        leaving.append(_rewritten(ends, data, cut=True))
                        self._held.clear()
                    return b"".join(leaving)
            self._held.popleft()
            changed = False
            for channel, end in ends:
                if channel.guard.changes and channel.guard.changes[0].start < end:
                    changed = True
            leaving.append(_rewritten(ends, data) if changed else data)
            for channel, end in ends:
                channel.left = end
        return b"".join(leaving)


def _rewritten(ends: _Ends, data: bytes, *, cut: bool = False) -> bytes:
    """Return events with what was masked replaced; `cut`: without what is not certain."""
    spans = list(_TEXT.finditer(data))
    changes: dict[_Channel, list[Change]] = {}
    for channel, end in ends:
        certain = min(end, channel.guard.cleared) if cut else end
        changes[channel] = channel.changes_before(certain)
        if certain < end:
            changes[channel].append(Change(certain, end, ""))
    places = {channel: channel.left for channel, _ in ends}
    by_name = _by_name(ends, spans)
    parts: list[bytes] = []
    done = 0
    for span in spans:
        channel = by_name[span[1]]
        text = _decoded(span[2])
        start = places[channel]
        places[channel] = start + len(text)
        said = _applied(text, start, changes[channel])
        if said != text:
            parts += [data[done : span.start(2)], _encoded(said)]
            done = span.end(2)
    written = b"".join([*parts, data[done:]])
    return _without_tokens(written) if b'"logprobs"' in written else written


def _by_name(ends: _Ends, spans: Sequence[re.Match[bytes]]) -> Mapping[bytes, _Channel]:
    """Return which channel each field of these events belongs to: `ends` names them in the order of the fields."""
    names = list(dict.fromkeys(span[1] for span in spans))
    if len(ends) == 1:
        return dict.fromkeys(names, ends[0][0])
    return {name: channel for name, (channel, _) in zip(names, ends, strict=True)}


def _applied(text: str, start: int, changes: Sequence[Change]) -> str:
    """Return a text whose first character stands at `start` of a longer one, with the changes of that one."""
    parts: list[str] = []
    done = 0
    for change in changes:
        first, last = change.start - start, change.end - start
        if last <= 0 or first >= len(text):
            continue
        parts.append(text[done : max(first, done)])
        if first >= 0:
            parts.append(change.instead)
        done = max(done, min(last, len(text)))
    return "".join([*parts, text[done:]])


def _within_json(change: Change, source: str) -> Change:
    """Return a change that keeps JSON what it is: outside of a text, what is put there becomes one."""
    quotes = sum(1 for mark in _QUOTES.findall(source, 0, change.start) if mark == '"')
    if quotes % 2 or not change.instead:
        return change
    return Change(change.start, change.end, f'"{change.instead}"')


def _decoded(escaped: bytes) -> str:
    if b"\\" not in escaped:
        return escaped.decode("utf-8", "replace")
    try:
        # The standard library's reader takes half of a surrogate pair as well, which some engines send.
        return str(json.loads(b'"' + escaped + b'"'))
    except ValueError:
        return escaped.decode("utf-8", "replace")


def _encoded(text: str) -> bytes:
    try:
        return orjson.dumps(text)[1:-1]
    except TypeError:
        return json.dumps(text)[1:-1].encode()


def _without_tokens(data: bytes) -> bytes:
    parts: list[bytes] = []
    for event in data.split(b"\n\n"):
        if b'"logprobs"' not in event:
            parts.append(event)
            continue
        head, mark, body = event.partition(b"data:")
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            continue  # an event that nobody can read is not passed on with what it may tell
        _forget_tokens(value)
        for choice in value.get("choices") or ():
            _forget_tokens(choice)
        parts.append(head + mark + b" " + orjson.dumps(value))
    return b"\n\n".join(parts)


def _latest(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the last texts: they are looked through within a stream, which must not wait for megabytes."""
    found: list[str] = []
    left = _KNOWN_CHARACTERS
    for text in reversed(texts):
        if left <= 0:
            break
        found.append(text[-left:])
        left -= len(text)
    return tuple(reversed(found))


def _forget_tokens(value: dict[str, Any]) -> None:
    known = value.get("logprobs")
    if known is not None:
        value["logprobs"] = [] if isinstance(known, list) else None
