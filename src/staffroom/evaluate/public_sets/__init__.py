"""Public data sets that a worker sits by name, read from files that the user has; nothing of them is in the package."""

from staffroom.evaluate.public_sets.folder import write_public_set
from staffroom.evaluate.public_sets.sampling import first_by_rule
from staffroom.evaluate.public_sets.sets import PUBLIC_SETS, PublicSet

__all__ = ["PUBLIC_SETS", "PublicSet", "first_by_rule", "write_public_set"]
