"""Record what lm-eval makes of the tasks of lm_eval_tasks/, for tests that run where it is not installed.

Usage: PEER_PYTHON tests/unit/evaluate/record_lm_eval.py   (a Python that has lm-eval, such as .peers/lm-eval/bin/python)
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SIDE = HERE.parents[2] / "benchmarks" / "import_tasks" / "lm_eval_side.py"


def main() -> int:
    """Run lm-eval in the tasks' folder and keep its lines."""
    folder = HERE / "lm_eval_tasks"
    plan = [{"task": str(path), "data": {}, "shots": None} for path in sorted(folder.glob("*.yaml"))]
    with tempfile.TemporaryDirectory() as place:
        planned, out = Path(place) / "plan.json", Path(place) / "out.jsonl"
        planned.write_text(json.dumps(plan), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(SIDE), str(planned), str(out)],
            cwd=folder,
            check=True,
            stdout=subprocess.PIPE,
        )
        lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    kept = [{**line, "task": Path(plan[line["entry"]]["task"]).stem} for line in lines]
    versions = json.loads(done.stdout.decode().splitlines()[-1])
    (HERE / "recorded_lm_eval.json").write_text(
        json.dumps({"versions": versions, "rows": kept}, ensure_ascii=False, indent=1) + "\n",
        encoding="utf-8",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
