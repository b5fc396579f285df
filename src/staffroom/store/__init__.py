"""What a home keeps: artifacts by digest, the index, and the lock. It imports `records` only."""

from staffroom.store.api_keys import ApiKey, ApiKeys, KeyCheck, KeyProblem
from staffroom.store.database import Database
from staffroom.store.durable import disk_error, make_folder, sync_folder, write_durably
from staffroom.store.evaluations import Evaluations, KeptEvaluation
from staffroom.store.home import Home, HomeBusy
from staffroom.store.objects import DamagedObject, MissingObject, ObjectStore
from staffroom.store.releases import AliasMove, Releases
from staffroom.store.responses import Responses
from staffroom.store.steps import FinishedStep, StepCache
from staffroom.store.times import from_text, to_text, utc_now

__all__ = [
    "AliasMove",
    "ApiKey",
    "ApiKeys",
    "DamagedObject",
    "Database",
    "Evaluations",
    "FinishedStep",
    "Home",
    "HomeBusy",
    "KeptEvaluation",
    "KeyCheck",
    "KeyProblem",
    "MissingObject",
    "ObjectStore",
    "Releases",
    "Responses",
    "StepCache",
    "disk_error",
    "from_text",
    "make_folder",
    "sync_folder",
    "to_text",
    "utc_now",
    "write_durably",
]
