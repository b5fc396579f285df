"""Training of adapters: examples from documents, leak control, tokens and masks, refusals before anything is served, parity
with what serves.

It must not know releases or the log: it returns an adapter that may be examined, and a record.
"""

from staffroom.engine.training import TrainingSettings
from staffroom.train.forgetting import Forgetting, check_forgetting
from staffroom.train.refusals import TrainingRefused
from staffroom.train.run import (
    BaseFile,
    ForeseenTraining,
    TrainedAdapter,
    foresee_training,
    train_adapter,
)
from staffroom.train.served import OpenEngine, ServedEngine

__all__ = [
    "BaseFile",
    "ForeseenTraining",
    "Forgetting",
    "OpenEngine",
    "ServedEngine",
    "TrainedAdapter",
    "TrainingRefused",
    "TrainingSettings",
    "check_forgetting",
    "foresee_training",
    "train_adapter",
]
