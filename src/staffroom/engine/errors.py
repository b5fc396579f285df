"""What can go wrong with an engine, told apart by what the caller can do about it."""

from staffroom.records.errors import StaffroomError

__all__ = ["ContextExceeded", "EngineError", "EngineLost", "EngineMissing", "EngineStartError"]


class EngineError(StaffroomError):
    """An engine could not do what it was asked."""


class EngineStartError(EngineError):
    """A model could not be loaded; the text ends with what the engine said last."""


class EngineLost(EngineError):
    """The engine ended while it worked on this request; the next request starts it again."""


class EngineMissing(EngineError):
    """A runtime that this driver needs is not installed."""


class ContextExceeded(EngineError):
    """The prompt does not fit into the model's context."""
