"""Plans, steps and the runner: where packages that must not know one another are wired together."""

__all__ = ()
