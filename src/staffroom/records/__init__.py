"""Frozen values that cross stages, their canonical JSON and digests, and the small interfaces of siblings."""

__all__ = ()
