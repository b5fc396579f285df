"""Decide whether a candidate may sit an exam, with every reason at once and without loading it.

1. A server candidate is admitted only where the job allows it: its weights cannot be bound by digest.
2. The file must be there, have the digest it is known by, and be GGUF; pickles and other formats are refused by name.
3. Its header must be in order (`staffroom.gguf`); of a file that is not, nothing further is believed.
4. It must be a whole model of a network, tokeniser and quantisation that the engine serves.
5. It must see enough context, have a chat template, be under an allowed licence, and fit in memory.

What this does not do: judge a template's behaviour, scan weights, or load the file in a jail.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from staffroom.gguf import BadModelFile, GgufHeader, estimate_memory, read_header
from staffroom.records.job_description import Requirements
from staffroom.records.models import Candidate, ModelFile
from staffroom.recruit.cache import verified
from staffroom.recruit.formats import sniff
from staffroom.recruit.licenses import is_allowed, license_named
from staffroom.recruit.memory_present import MemoryPresent, memory_present

__all__ = ["SERVED_ARCHITECTURES", "Admission", "AdmissionReason", "ReasonCode", "admit"]

SERVED_ARCHITECTURES: Final = frozenset(
    {
        *("llama", "mistral3", "qwen2", "qwen3", "qwen3moe", "gemma2", "gemma3", "phi3"),
        *("granite", "smollm3", "olmo2"),
    }
)
"""Networks the engine serves: decoders for text alone that the pinned llama.cpp knows by this name, with one of the
two tokenisers below, whose makers publish chat models with open weights. Recurrent, hybrid, diffusion, vision and
embedding networks are left out: slots, the cache of a pinned prefix and token probabilities work differently there."""

_SERVED_TOKENIZERS: Final = frozenset({"gpt2", "llama"})
_MIB: Final = 1 << 20


class ReasonCode(StrEnum):
    """What an admission reason is about."""

    ENDPOINT = "endpoint"
    MISSING = "missing"
    DIGEST = "digest"
    FORMAT = "format"
    HEADER = "header"
    KIND = "kind"
    SPLIT = "split"
    ARCHITECTURE = "architecture"
    TOKENIZER = "tokenizer"
    QUANTISATION = "quantisation"
    CONTEXT = "context"
    TEMPLATE = "template"
    LICENSE = "license"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class AdmissionReason:
    """One reason: a code for machines and a sentence for people."""

    code: ReasonCode
    text: str


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a candidate may sit the exam; `reasons` are all refusals, `notes` what a person should read all the same.

    `facts` are JSON values about the model, for the log and the table of candidates.
    """

    candidate: Candidate
    admitted: bool
    reasons: tuple[AdmissionReason, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    notes: tuple[AdmissionReason, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the admission as canonical JSON data."""
        return {
            "candidate": self.candidate.as_json(),
            "admitted": self.admitted,
            "reasons": [{"code": str(reason.code), "text": reason.text} for reason in self.reasons],
            "notes": [{"code": str(note.code), "text": note.text} for note in self.notes],
            "facts": self.facts,
        }


def admit(
    candidate: Candidate,
    requirements: Requirements,
    path: Path | None = None,
    *,
    slots: int = 1,
    memory: MemoryPresent | None = None,
) -> Admission:
    """Return whether a candidate meets a job's requirements; `path` is its file, None for an endpoint.

    `slots` is how many conversations are served at once, `memory` stands in for what this machine has. Raises nothing
    for a bad file: that is a reason.
    """
    if candidate.model is None:
        return _admit_endpoint(candidate, requirements)
    reasons = list(_license_reasons(candidate.model, requirements))
    facts: dict[str, Any] = {
        "bytes": candidate.model.bytes,
        "license": candidate.license,
        "maker": candidate.maker,
    }
    header, found = _look(candidate.model, path)
    reasons = found + reasons
    notes: list[AdmissionReason] = []
    if header is not None:
        present = memory or memory_present()
        facts |= _facts(header, requirements, slots, present)
        reasons = [
            *reasons,
            *_model_reasons(header, requirements),
            *_memory_reasons(header, requirements, slots, present),
        ]
        notes += _license_notes(candidate.model, header)
    return Admission(candidate, not reasons, tuple(reasons), facts, tuple(notes))


def _admit_endpoint(candidate: Candidate, requirements: Requirements) -> Admission:
    text = f"{candidate.endpoint} is a server: its weights cannot be bound by digest"
    facts = {
        "endpoint": candidate.endpoint,
        "endpoint_model": candidate.endpoint_model,
        "endpoint_bound": True,
    }
    reason = AdmissionReason(ReasonCode.ENDPOINT, text)
    if requirements.allow_endpoints:
        return Admission(candidate, True, (), facts, (reason,))
    refusal = AdmissionReason(
        ReasonCode.ENDPOINT, f"{text}, and the job does not allow that (requirements.allow_endpoints)"
    )
    return Admission(candidate, False, (refusal,), facts)


def _look(model: ModelFile, path: Path | None) -> tuple[GgufHeader | None, list[AdmissionReason]]:
    if path is None or not path.is_file():
        text = f"the file of {model.name} is not on this machine; run: staffroom models check"
        return None, [AdmissionReason(ReasonCode.MISSING, text)]
    reasons = []
    try:
        found = sniff(path)
        if not found.is_gguf:
            reasons.append(AdmissionReason(ReasonCode.FORMAT, f"{path.name} is {found.text}"))
        if not verified(path, model.digest, expected_bytes=model.bytes or None):
            text = (
                f"{path.name} is not the file it is known as: its size or SHA-256 differs from {model.digest}"
            )
            reasons.append(AdmissionReason(ReasonCode.DIGEST, text))
        return (read_header(path) if found.is_gguf else None), reasons
    except BadModelFile as error:
        text = f"the header is not in order: {error.where}: {error.message}"
        return None, [*reasons, AdmissionReason(ReasonCode.HEADER, text)]


def _model_reasons(header: GgufHeader, requirements: Requirements) -> Iterator[AdmissionReason]:
    if header.kind != "model":
        yield AdmissionReason(ReasonCode.KIND, f"the file says it is of type {header.kind!r}, not a model")
        return
    if header.split_count > 1:
        text = f"this is one of {header.split_count} files of a split model; join them into one first"
        yield AdmissionReason(ReasonCode.SPLIT, text)
    if header.architecture not in SERVED_ARCHITECTURES:
        served = ", ".join(sorted(SERVED_ARCHITECTURES))
        text = f"the network {header.architecture!r} is not among those served ({served})"
        yield AdmissionReason(ReasonCode.ARCHITECTURE, text)
    if header.tokenizer not in _SERVED_TOKENIZERS or header.vocab_size == 0:
        text = f"the tokeniser {header.tokenizer!r} with {header.vocab_size} tokens is not served"
        yield AdmissionReason(ReasonCode.TOKENIZER, text)
    if header.quantisation is None:
        text = f"the quantisation with number {header.file_type} is unknown"
        yield AdmissionReason(ReasonCode.QUANTISATION, text)
    if header.context_length < requirements.context:
        text = f"the model sees {header.context_length} tokens, the job needs {requirements.context}"
        yield AdmissionReason(ReasonCode.CONTEXT, text)
    if not (header.chat_template or "").strip():
        text = (
            "there is no chat template: this is a base model, which goes on with a text but does not answer"
        )
        yield AdmissionReason(ReasonCode.TEMPLATE, text)


def _license_reasons(model: ModelFile, requirements: Requirements) -> Iterator[AdmissionReason]:
    stated = license_named(model.license)
    if not is_allowed(stated, requirements.licenses):
        allowed = ", ".join(requirements.licenses) or "none"
        said = f"the licence {stated.name} is" if stated.name else "nobody stated a licence, which is"
        yield AdmissionReason(ReasonCode.LICENSE, f"{said} not on the job's list ({allowed})")


def _license_notes(model: ModelFile, header: GgufHeader) -> Iterator[AdmissionReason]:
    stated, own = license_named(model.license), license_named(header.license)
    if stated.field_of_use:
        text = f"{stated.name} forbids some uses or users: somebody should read it for this job"
        yield AdmissionReason(ReasonCode.LICENSE, text)
    if own.name and own.name != stated.name:
        text = f"the file itself says its licence is {own.name}, the record says {stated.name or 'nothing'}"
        yield AdmissionReason(ReasonCode.LICENSE, text)


def _memory_reasons(
    header: GgufHeader, requirements: Requirements, slots: int, present: MemoryPresent
) -> Iterator[AdmissionReason]:
    needed = estimate_memory(header, context_length=requirements.context, slots=slots)
    if needed.bytes > present.bytes:
        text = f"needs {needed.reason}; present are {present.bytes // _MIB} MiB ({present.reason})"
        yield AdmissionReason(ReasonCode.MEMORY, text)


def _facts(
    header: GgufHeader, requirements: Requirements, slots: int, present: MemoryPresent
) -> dict[str, Any]:
    needed = estimate_memory(header, context_length=requirements.context, slots=slots)
    return {
        "name": header.name,
        "architecture": header.architecture,
        "parameters": header.parameter_count,
        "quantisation": header.quantisation,
        "context_length": header.context_length,
        "vocab_size": header.vocab_size,
        "tokenizer": header.tokenizer,
        "chat_template": bool(header.chat_template),
        "license_in_file": header.license,
        "memory_needed_bytes": needed.bytes,
        "memory_needed_parts": {part.name: part.bytes for part in needed.parts},
        "memory_present_bytes": present.bytes,
    }
