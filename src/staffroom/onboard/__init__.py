"""Onboarding: documents to chunks and an index, retrieval, and what the agent of a job is told.

Kept empty on purpose: the process that reads documents imports it, and nothing heavy may come with it.
"""

__all__ = ()
