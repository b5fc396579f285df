"""Templates of foreign tasks, filled in without running any of their code.

A subset of Jinja 3.1, written for text from strangers: no attribute of Python can be reached, and steps, depth, times
and lengths are bounded. What is in the subset gives what Jinja gives; what is not is refused by its name.
"""

from staffroom.evaluate.importing.templates.evaluate import Template
from staffroom.evaluate.importing.templates.tokens import TemplateFault

__all__ = ["Template", "TemplateFault"]
