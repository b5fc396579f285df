"""Staffroom: the exam board and personnel file for AI workers that an organisation owns."""

__all__ = ["__version__"]

__version__ = "0.1.0"
