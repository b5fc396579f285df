"""Who may sit an exam: every reason at once, and the facts behind it."""

import json
from pathlib import Path

import pytest
import tiny_gguf as t

from staffroom.records.digests import digest_bytes
from staffroom.records.errors import StaffroomError
from staffroom.records.job_description import Requirements
from staffroom.records.models import Candidate, ModelFile
from staffroom.recruit.admission import SERVED_ARCHITECTURES, Admission, ReasonCode, admit
from staffroom.recruit.licenses import DEFAULT_LICENSES, is_allowed, license_named
from staffroom.recruit.memory_present import MemoryPresent, memory_present

PLENTY = MemoryPresent(64 << 30, "a test")
DEFAULT = Requirements(licenses=DEFAULT_LICENSES)


def judged(
    tmp_path: Path,
    data: bytes,
    requirements: Requirements = DEFAULT,
    license_: str = "Apache-2.0",
    memory: MemoryPresent = PLENTY,
) -> Admission:
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    model = ModelFile(digest_bytes(data), "Tiny", len(data), license_, "a maker", "file model.gguf")
    return admit(Candidate("tiny", "file", model=model), requirements, path, memory=memory)


def codes(admission: Admission) -> list[str]:
    return [str(reason.code) for reason in admission.reasons]


def test_a_sound_model_is_admitted_with_its_facts(tmp_path: Path) -> None:
    admission = judged(tmp_path, t.tiny())
    assert admission.admitted and admission.reasons == () and admission.notes == ()
    assert admission.facts["quantisation"] == "Q4_K_M" and admission.facts["context_length"] == 8192
    assert admission.facts["memory_needed_bytes"] == sum(admission.facts["memory_needed_parts"].values())
    json.dumps(admission.as_json())


def renamed_architecture() -> bytes:
    pairs = {key.replace("llama.", "mamba."): value for key, value in t.model_pairs().items()}
    pairs["general.architecture"] = (t.STRING, "mamba")
    return t.Tiny(pairs=t.encode(pairs)).data()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (t.tiny(tokenizer__chat_template=None), ReasonCode.TEMPLATE),
        (t.tiny(tokenizer__chat_template=(t.STRING, "  \n")), ReasonCode.TEMPLATE),
        (t.tiny(llama__context_length=(t.U32, 2048)), ReasonCode.CONTEXT),
        (t.tiny(general__file_type=(t.U32, 999)), ReasonCode.QUANTISATION),
        (t.tiny(tokenizer__ggml__model=(t.STRING, "plamo2")), ReasonCode.TOKENIZER),
        (t.tiny(split__count=(t.U32, 3)), ReasonCode.SPLIT),
        (t.tiny(general__type=(t.STRING, "adapter")), ReasonCode.KIND),
        (renamed_architecture(), ReasonCode.ARCHITECTURE),
        (t.tiny()[:-200], ReasonCode.HEADER),
        (b"PK\x03\x04" + bytes(60), ReasonCode.FORMAT),
        (b"\x80\x04\x95" + bytes(60), ReasonCode.FORMAT),
    ],
)
def test_each_single_fault_has_its_reason(tmp_path: Path, data: bytes, expected: ReasonCode) -> None:
    admission = judged(tmp_path, data)
    assert not admission.admitted and codes(admission) == [expected]
    assert len(admission.reasons[0].text) > 20


def test_all_reasons_come_at_once(tmp_path: Path) -> None:
    data = t.tiny(
        tokenizer__chat_template=None, llama__context_length=(t.U32, 512), general__file_type=(t.U32, 999)
    )
    admission = judged(tmp_path, data, license_="llama3.2", memory=MemoryPresent(1 << 20, "a small machine"))
    assert set(codes(admission)) == {"license", "quantisation", "context", "template", "memory"}
    memory = next(reason.text for reason in admission.reasons if reason.code is ReasonCode.MEMORY)
    assert "weights" in memory and "1 MiB (a small machine)" in memory


def test_a_changed_or_absent_file_is_refused(tmp_path: Path) -> None:
    model = ModelFile("sha256:" + "0" * 64, "Tiny", 0, "MIT", "", "")
    path = tmp_path / "model.gguf"
    path.write_bytes(t.tiny())
    candidate = Candidate("tiny", "file", model=model)
    assert codes(admit(candidate, DEFAULT, path, memory=PLENTY)) == ["digest"]
    assert codes(admit(candidate, DEFAULT, tmp_path / "absent", memory=PLENTY)) == ["missing"]
    assert codes(admit(candidate, DEFAULT, None, memory=PLENTY)) == ["missing"]


def test_a_pickle_is_named_and_its_licence_still_judged(tmp_path: Path) -> None:
    admission = judged(tmp_path, b"\x80\x04\x95" + bytes(60), license_="")
    assert codes(admission) == ["format", "license"]
    assert "pickle" in admission.reasons[0].text and "nobody stated" in admission.reasons[1].text


def test_servers_need_the_job_to_allow_them() -> None:
    candidate = Candidate("big", "endpoint", endpoint="http://127.0.0.1:1/v1")
    refused = admit(candidate, DEFAULT)
    assert codes(refused) == ["endpoint"] and "cannot be bound" in refused.reasons[0].text
    allowed = admit(candidate, Requirements(allow_endpoints=True))
    assert allowed.admitted and allowed.facts["endpoint_bound"] and allowed.notes


def test_named_licences_are_flagged(tmp_path: Path) -> None:
    admission = judged(tmp_path, t.tiny(general__license=(t.STRING, "gemma")), license_="Gemma terms of use")
    assert admission.admitted and "somebody should read it" in admission.notes[0].text
    other = judged(tmp_path, t.tiny(general__license=(t.STRING, "gemma")), license_="MIT")
    assert other.admitted and "the file itself says" in other.notes[0].text


def test_licence_names() -> None:
    assert license_named("apache-2.0") == license_named("Apache 2.0") == license_named("APACHE-2.0")
    assert license_named("gemma").field_of_use and license_named("cc-by-nc-4.0").field_of_use
    assert license_named("other").kind == license_named(None).kind == "none"
    assert not is_allowed(license_named(""), ("", "other"))
    assert is_allowed(license_named("My Town Licence"), ("my town licence", "My Town Licence"))
    assert not is_allowed(license_named("Apache-2.0 AND LicenseRef-x"), DEFAULT_LICENSES)


def test_a_candidate_is_a_file_or_an_endpoint() -> None:
    with pytest.raises(StaffroomError, match="exactly one"):
        Candidate("x", "file")
    with pytest.raises(StaffroomError, match="exactly one"):
        Candidate("x", "endpoint", model=ModelFile("sha256:0", "x", 1, "", "", ""), endpoint="http://x/v1")


def test_served_networks_are_names() -> None:
    assert {"llama", "qwen2", "gemma3"} <= SERVED_ARCHITECTURES


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


MEMINFO = "MemTotal: 9000 kB\nMemAvailable:    8192 kB\n"


def test_memory_present_is_the_least_limit(tmp_path: Path) -> None:
    assert memory_present(write(tmp_path / "a", {"proc/meminfo": MEMINFO})).bytes == 8192 << 10
    second = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "0::/town/job\n",
        "sys/fs/cgroup/town/job/memory.max": "max\n",
        "sys/fs/cgroup/town/memory.max": str(4 << 20),
        "sys/fs/cgroup/town/memory.current": str(3 << 20),
        "sys/fs/cgroup/town/memory.stat": f"anon 1\ninactive_file {1 << 20}\n",
    }
    present = memory_present(write(tmp_path / "b", second))
    assert (present.bytes, "version 2" in present.reason) == (2 << 20, True)
    first = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "5:cpu:/x\n4:memory:/town\n",
        "sys/fs/cgroup/memory/town/memory.limit_in_bytes": str(1 << 20),
        "sys/fs/cgroup/memory/town/memory.usage_in_bytes": str(2 << 20),
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
    }
    present = memory_present(write(tmp_path / "c", first))
    assert (present.bytes, "version 1" in present.reason) == (0, True)
    assert memory_present(tmp_path / "nothing").bytes == 0
    assert memory_present().bytes > 0
