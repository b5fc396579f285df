"""The rungs of the ladder, each a file: what it looks at and what it proposes."""

from staffroom.improve.rungs.examples import propose_examples
from staffroom.improve.rungs.index import propose_index
from staffroom.improve.rungs.prompt import propose_prompt

__all__ = ["propose_examples", "propose_index", "propose_prompt"]
