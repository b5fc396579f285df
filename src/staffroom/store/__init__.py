"""What a home keeps: artifacts by digest, the index, and the lock. It imports `records` only."""

from staffroom.store.api_keys import ApiKey, ApiKeys, KeyCheck, KeyProblem, KeyRole
from staffroom.store.approvals import Approvals, ApprovalState, PendingCall
from staffroom.store.backup import (
    Backup,
    BackupSink,
    is_sqlite,
    open_backup,
    snapshot,
    staging,
    writing_backup,
)
from staffroom.store.caps import Caps
from staffroom.store.database import Database
from staffroom.store.durable import disk_error, make_folder, sync_folder, write_durably
from staffroom.store.evaluations import Evaluations, KeptEvaluation
from staffroom.store.home import Home, HomeBusy
from staffroom.store.objects import DamagedObject, MissingObject, ObjectStore
from staffroom.store.plain_models import AdmittedModel, PlainModels
from staffroom.store.releases import AliasMove, Releases
from staffroom.store.responses import Responses
from staffroom.store.spend import SpendBook, SpendKey
from staffroom.store.steps import FinishedStep, StepCache
from staffroom.store.times import from_text, to_text, utc_now

__all__ = [
    "AdmittedModel",
    "AliasMove",
    "ApiKey",
    "ApiKeys",
    "ApprovalState",
    "Approvals",
    "Backup",
    "BackupSink",
    "Caps",
    "DamagedObject",
    "Database",
    "Evaluations",
    "FinishedStep",
    "Home",
    "HomeBusy",
    "KeptEvaluation",
    "KeyCheck",
    "KeyProblem",
    "KeyRole",
    "MissingObject",
    "ObjectStore",
    "PendingCall",
    "PlainModels",
    "Releases",
    "Responses",
    "SpendBook",
    "SpendKey",
    "StepCache",
    "disk_error",
    "from_text",
    "is_sqlite",
    "make_folder",
    "open_backup",
    "snapshot",
    "staging",
    "sync_folder",
    "to_text",
    "utc_now",
    "write_durably",
    "writing_backup",
]
