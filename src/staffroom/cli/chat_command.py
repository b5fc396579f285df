"""`staffroom chat`: talk to a worker in the terminal; the notice that one talks to an AI comes first.

Ctrl-C ends the answer under way; at the prompt it ends the chat.
"""

import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Protocol

import typer

from staffroom.cli.interrupts import WorkLoop
from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of
from staffroom.records.agent import AgentAnswer, ChatTurn, Citation, Outcome
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.protocols import Agent

__all__ = ["OpenWorker", "chat"]

_LEAVE = frozenset({"/exit", "/quit"})
_QUOTE_CHARACTERS = 160


class OpenWorker(Protocol):
    """A released worker whose engine runs."""

    @property
    def agent(self) -> Agent:
        """The assembled agent of the release."""
        ...

    @property
    def notice(self) -> str:
        """The notice that one talks to an AI."""
        ...

    @property
    def release(self) -> str:
        """Digest of the release."""
        ...

    def permitted(self) -> bool:
        """Whether the worker may answer now."""
        ...


def chat(
    context: typer.Context,
    alias: Annotated[str, typer.Argument(help="The worker's alias.", metavar="WORKER")],
    once: Annotated[str | None, typer.Option("--once", help="Ask this and end.", metavar="TEXT")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Talk to a worker in the terminal, with the places in the documents that an answer rests on."""
    terminal = terminal_of(context, as_json)
    t = terminal.t
    if as_json and once is None:
        raise WrongUse(t("--json needs --once"), hint=f'staffroom chat {alias} --once "…" --json')
    if once is not None and not once.strip():
        raise WrongUse(t("the question is empty"), hint=f'staffroom chat {alias} --once "…"')
    from staffroom.pipeline.service import open_worker

    with WorkLoop() as loop:
        opened: AbstractAsyncContextManager[OpenWorker] = open_worker(home_of(terminal), alias)
        worker = loop.run(_enter(opened))
        try:
            _require_permit(terminal, worker, alias)
            if once is None:
                _Conversation(terminal, loop, worker, alias).go_on()
            else:
                _answer_once(terminal, loop, worker, alias, once)
        finally:
            loop.run(_leave(opened))


async def _enter(opened: AbstractAsyncContextManager[OpenWorker]) -> OpenWorker:
    return await opened.__aenter__()


async def _leave(opened: AbstractAsyncContextManager[OpenWorker]) -> None:
    await opened.__aexit__(None, None, None)


def _require_permit(terminal: Terminal, worker: OpenWorker, alias: str) -> None:
    if not worker.permitted():
        raise StaffroomError(terminal.t("{alias} is stopped", alias=alias), hint=f"staffroom resume {alias}")


async def _ask(worker: OpenWorker, alias: str, turns: Sequence[ChatTurn], terminal: Terminal) -> AgentAnswer:
    """Return the answer, streaming it where a person reads; a permit that goes ends it at the next piece."""

    shown = ""

    def on_text(piece: str) -> None:
        nonlocal shown
        _require_permit(terminal, worker, alias)
        shown += piece
        if not terminal.as_json:
            terminal.write(piece)

    _require_permit(terminal, worker, alias)
    answer = await worker.agent.answer(turns, on_text=on_text)
    # The citation's mark and what the charter requires stand behind what was streamed.
    if not terminal.as_json:
        terminal.write(answer.text[len(shown.rstrip()) :])
    return answer


def _answer_once(terminal: Terminal, loop: WorkLoop, worker: OpenWorker, alias: str, question: str) -> None:
    if not terminal.as_json:
        terminal.note(worker.notice)
    answer = loop.run(_ask(worker, alias, [ChatTurn("user", question)], terminal))
    value = {
        "alias": alias,
        "release": worker.release,
        "notice": worker.notice,
        "text": answer.text,
        "outcome": answer.outcome.value,
        "reason": answer.reason,
        "citations": [_citation_json(citation) for citation in answer.citations],
        "tokens_in": answer.tokens_in,
        "tokens_out": answer.tokens_out,
    }
    terminal.give(value, lambda: _show_end(terminal, answer))


class _Conversation:
    """Questions and answers at the terminal; the answers' history goes with each question."""

    def __init__(self, terminal: Terminal, loop: WorkLoop, worker: OpenWorker, alias: str) -> None:
        self._terminal = terminal
        self._loop = loop
        self._worker = worker
        self._alias = alias
        self._turns: list[ChatTurn] = []

    def go_on(self) -> None:
        """Ask and answer until the person leaves."""
        terminal, t = self._terminal, self._terminal.t
        terminal.line(self._worker.notice, "bold")
        if terminal.asks:
            _edit_lines()
            terminal.note(t("Ctrl-C ends an answer; at the prompt it ends the chat."), "dim")
        while (question := self._next_question()) is not None:
            if question:
                self._answer(question)

    def _next_question(self) -> str | None:
        prompt = "\n> " if self._terminal.asks else ""
        try:
            question = input(prompt).strip()
        except (EOFError, KeyboardInterrupt):
            self._terminal.line()
            return None
        return None if question in _LEAVE else question

    def _answer(self, question: str) -> None:
        turns = [*self._turns, ChatTurn("user", question)]
        try:
            answer = self._loop.run(_ask(self._worker, self._alias, turns, self._terminal))
        except KeyboardInterrupt:
            self._terminal.line()
            self._terminal.note(self._terminal.t("(answer stopped)"), "dim")
            return
        _show_end(self._terminal, answer)
        self._turns = [*turns, ChatTurn("assistant", answer.text)]


def _show_end(terminal: Terminal, answer: AgentAnswer) -> None:
    terminal.line()
    if answer.outcome is Outcome.ANSWERED:
        for citation in answer.citations:
            _show_citation(terminal, citation)


def _show_citation(terminal: Terminal, citation: Citation) -> None:
    t = terminal.t
    place = [citation.document, citation.heading]
    if citation.page is not None:
        place.append(t("page {page}", page=citation.page))
    if citation.as_of:
        place.append(t("as of {date}", date=citation.as_of))
    terminal.line(f"  [{citation.number}] {' · '.join(part for part in place if part)}", "cyan")
    quote = " ".join(citation.quote.split())
    if quote:
        shown = quote if len(quote) <= _QUOTE_CHARACTERS else quote[:_QUOTE_CHARACTERS] + "…"
        terminal.line(f"      “{shown}”" if t.language == "en" else f"      「{shown}」", "dim")


def _citation_json(citation: Citation) -> dict[str, Any]:
    return {
        "number": citation.number,
        "document": citation.document,
        "document_digest": citation.document_digest,
        "heading": citation.heading,
        "page": citation.page,
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote,
        "as_of": citation.as_of,
    }


def _edit_lines() -> None:
    """Let `input` edit lines (arrow keys, history in memory) where the system has readline."""
    if sys.platform != "win32":
        import readline

        readline.set_auto_history(True)
