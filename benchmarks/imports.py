"""Whether imported tasks of lm-eval ask and score, row by row, what lm-eval itself asks and scores.

Real task files of the installed lm-eval (`make bench-peers`) are run by lm-eval, with a stand-in for the model that answers by
a rule, on local data in their layouts, made from the acceptance data. The same files are imported here. Equal is a row
whose prompt, options, target and score are all the same; a task is equal where all its rows are, under each of its filters.
`--peer PYTHON` names another Python that has lm-eval. It takes four minutes, most of them lm-eval's own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "import_tasks"))

from task_data import TASKS, write_data  # beside this script

from staffroom.evaluate.importing import Imported, import_lm_eval_task
from staffroom.evaluate.importing.lm_eval import read_task_file
from staffroom.evaluate.matching import Matcher

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
PEER = ROOT / ".peers" / "lm-eval" / "bin" / "python"
SIDE = Path(__file__).parent / "import_tasks" / "lm_eval_side.py"
LETTERS = "ABCDEFGHIJ"
Row = Mapping[str, Any]


def main() -> int:
    """Run both sides and print the JSON object as the last line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", type=Path, default=PEER, help="a Python that has lm-eval")
    peer = parser.parse_args().peer
    if not peer.exists() or not DATA.is_dir():
        print(
            "lm-eval (make bench-peers) or the acceptance data (../shared/data) is not there", file=sys.stderr
        )
        return 2
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        files = write_data(DATA, folder)
        tasks = Path(_said(peer, "import lm_eval; print(lm_eval.__path__[0])")) / "tasks"
        plan = [
            {
                "task": str(tasks / name),
                "data": {split: str(files[set_]) for split, set_ in data.items()},
                "shots": shots,
            }
            for name, data, shots in TASKS
        ]
        (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        asked = [str(peer), str(SIDE), str(folder / "plan.json"), str(folder / "out.jsonl")]
        done = subprocess.run(asked, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        theirs = [
            json.loads(line) for line in (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        report = _compare(plan, theirs)
    print(
        json.dumps(
            {
                **report,
                "versions": {**json.loads(done.stdout.splitlines()[-1]), "staffroom": version("staffroom")},
            }
        )
    )
    return 0 if all(measure["holds"] for measure in report["measures"]) else 1


def _compare(plan: list[dict[str, Any]], theirs: list[Row]) -> dict[str, Any]:
    equal_tasks: set[str] = set()
    unequal_tasks: set[str] = set()
    rows = equal = 0
    for number, entry in enumerate(plan):
        name = read_task_file(Path(entry["task"])).name
        for filter_name in _filters(Path(entry["task"])):
            imported = import_lm_eval_task(
                Path(entry["task"]),
                locale="en",
                data={split: [Path(path)] for split, path in entry["data"].items()},
                shots=entry["shots"],
                filter_name=filter_name if filter_name != "none" else "",
            )
            own = {
                row["doc_id"]: row
                for row in theirs
                if row["entry"] == number and row.get("filter") == filter_name
            }
            same = sum(_same(imported, own))
            rows, equal = rows + len(own), equal + same
            whole = same == len(own) == len(imported.items) > 0
            (equal_tasks if whole else unequal_tasks).add(name)
            print(f"{name} ({filter_name}, shots {entry['shots']}): {same} of {len(own)} rows equal")
    whole_tasks = len(equal_tasks - unequal_tasks)
    return {
        "benchmark": "imports",
        "measures": [
            {
                "name": "tasks_equal",
                "value": whole_tasks,
                "goal": 10,
                "better": "higher",
                "holds": whole_tasks >= 10,
            },
            {
                "name": "rows_equal_share",
                "value": equal / rows if rows else 0.0,
                "goal": 1.0,
                "better": "higher",
                "holds": equal == rows > 0,
            },
        ],
    }


def _filters(path: Path) -> list[str]:
    return [str(entry["name"]) for entry in read_task_file(path).filters] or ["none"]


def _same(imported: Imported, theirs: Mapping[int, Row]) -> Iterator[bool]:
    matcher = Matcher(imported.rule) if imported.rule is not None else None
    for item in imported.items:
        row = theirs[int(str(item["id"]).rsplit("-", 1)[1])]
        if item["input"] != row["context"]:
            yield False
        elif matcher is not None:
            yield matcher.is_right(row["written"], item["accept"]) == bool(row["scores"]["exact_match"])
        else:
            shares = row["log_likelihoods"]
            right = item["accept"] == [LETTERS[shares.index(max(shares))]]
            options = [imported.delimiter + choice for choice in item["choices"]]
            yield options == row["continuations"] and right == bool(row["scores"]["acc"])


def _said(peer: Path, code: str) -> str:
    done = subprocess.run(
        [str(peer), "-c", code], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    return done.stdout.decode().strip()


if __name__ == "__main__":
    sys.exit(main())
