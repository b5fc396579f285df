"""The exam report as a page for people: it draws what `pipeline.exam_report` gathered, and computes nothing of its own."""

from staffroom.cli.report.page import LANGUAGES, render

__all__ = ["LANGUAGES", "render"]
