"""Recruiting: which model files there are, where they come from, and which may sit an exam."""

from staffroom.recruit.admission import SERVED_ARCHITECTURES, Admission, AdmissionReason, ReasonCode, admit
from staffroom.recruit.catalogue import HubReference, Starter, WheelMember, load_catalogue, starter_named
from staffroom.recruit.download import ChannelError
from staffroom.recruit.fetch import FetchedModel, FetchProgress, fetch_starter
from staffroom.recruit.licenses import DEFAULT_LICENSES, License, license_named
from staffroom.recruit.memory_present import MemoryPresent, memory_present
from staffroom.recruit.race import (
    Batch,
    Elimination,
    Entrant,
    ItemScore,
    Race,
    RaceOutcome,
    RaceState,
    Standing,
)
from staffroom.recruit.shelf import (
    Checked,
    ShelfEntry,
    add_model,
    check_models,
    file_of,
    find_model,
    get_starter,
    list_models,
    resolve_candidate,
)

__all__ = [
    "DEFAULT_LICENSES",
    "SERVED_ARCHITECTURES",
    "Admission",
    "AdmissionReason",
    "Batch",
    "ChannelError",
    "Checked",
    "Elimination",
    "Entrant",
    "FetchProgress",
    "FetchedModel",
    "HubReference",
    "ItemScore",
    "License",
    "MemoryPresent",
    "Race",
    "RaceOutcome",
    "RaceState",
    "ReasonCode",
    "ShelfEntry",
    "Standing",
    "Starter",
    "WheelMember",
    "add_model",
    "admit",
    "check_models",
    "fetch_starter",
    "file_of",
    "find_model",
    "get_starter",
    "license_named",
    "list_models",
    "load_catalogue",
    "memory_present",
    "resolve_candidate",
    "starter_named",
]
