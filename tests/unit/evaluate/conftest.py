"""An exam pack for the tests of this folder."""

import pytest
from exam_folder import write_pack

from staffroom.evaluate import ExamPack, load_pack


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> ExamPack:
    return load_pack(write_pack(tmp_path_factory.mktemp("pack")))
