"""Record what Jinja makes of `template_cases.py`, for tests that run where it is not installed.

Usage: PEER_PYTHON tests/unit/evaluate/record_jinja.py   (a Python that has jinja2, such as .peers/lm-eval/bin/python)
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from template_cases import cases  # noqa: E402

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        given = Path(place) / "cases.json"
        given.write_text(json.dumps(cases()), encoding="utf-8")
        side = HERE.parents[2] / "benchmarks" / "import_tasks" / "jinja_side.py"
        subprocess.run([sys.executable, str(side), str(given), str(HERE / "recorded_jinja.json")], check=True)
