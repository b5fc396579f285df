"""Why a training is refused, before it starts or before its adapter is served: one error for each reason."""

from staffroom.records.errors import StaffroomError

__all__ = [
    "AdapterParityFailed",
    "AdapterUnfit",
    "BaseParityFailed",
    "BaseUnfit",
    "EndNotLearnt",
    "LeaksFound",
    "NotEnoughDisk",
    "NotEnoughMemory",
    "NothingToLearn",
    "PromptLearnt",
    "ScaleTestFailed",
    "TakesTooLong",
    "TemplateDiffers",
    "TooLong",
    "TrainingRefused",
]


class TrainingRefused(StaffroomError):
    """The training does not start, or its adapter is not served; the incumbent is untouched."""


class BaseUnfit(TrainingRefused):
    """The base cannot be trained: another file than named, an unknown network, no chat template."""


class NothingToLearn(TrainingRefused):
    """An example has no token whose loss counts."""


class EndNotLearnt(TrainingRefused):
    """The token that ends an answer is not among those that are learnt: the worker would never stop."""


class PromptLearnt(TrainingRefused):
    """Tokens outside the answer would be learnt."""


class TemplateDiffers(TrainingRefused):
    """What is trained on is not what the served template shows."""


class TooLong(TrainingRefused):
    """An example does not fit into the context that is served."""


class LeaksFound(TrainingRefused):
    """The leak report is not clean, or is about other examples."""


class NotEnoughMemory(TrainingRefused):
    """The estimate is above what the machine has available."""


class NotEnoughDisk(TrainingRefused):
    """The estimate is above what the disk has left."""


class TakesTooLong(TrainingRefused):
    """The estimate is above the time that the job allows."""


class BaseParityFailed(TrainingRefused):
    """Our forward pass of the dequantised base does not say what the served engine says."""


class AdapterUnfit(TrainingRefused):
    """The adapter file is not what was trained, or does not fit the base."""


class AdapterParityFailed(TrainingRefused):
    """The served engine with the adapter does not say what was trained."""


class ScaleTestFailed(TrainingRefused):
    """At scale 0 the adapter changes the base, or at scale 1 it does not."""
