"""How the code is kept: sizes, blind excepts, work at import, mutable globals, public names."""

import ast
import re
import sys
from collections.abc import Iterator

from source_tree import ROOT, Module, listed, other_modules, product_modules

FILE_LINES = 600
FUNCTION_LINES = 80
HIRE_LINES = 150

Function = ast.FunctionDef | ast.AsyncFunctionDef

# What a module may call while it is imported: makers of values that touch nothing outside.
VALUE_MAKERS = frozenset(
    [
        "re.compile",
        "regex.compile",
        "frozenset",
        "tuple",
        "dict",
        "list",
        "set",
        "range",
        "enumerate",
        "zip",
        "int",
        "float",
        "bytes",
        "object",
        "len",
        "min",
        "max",
        "sum",
        "sorted",
        "pow",
        "ord",
        "chr",
        "bytes.fromhex",
        "str.maketrans",
        "dict.fromkeys",
        "types.MappingProxyType",
        "math.log",
        "math.log2",
        "math.sqrt",
        "struct.calcsize",
        "operator.itemgetter",
        "operator.attrgetter",
        "hashlib.sha256",
        "base64.b64encode",
        "logging.getLogger",
        "qn",
    ]
)
VALUE_METHODS = frozenset(
    [
        "join",
        "split",
        "encode",
        "decode",
        "format",
        "items",
        "keys",
        "values",
        "digest",
        "hexdigest",
        "with_name",
    ]
)
MUTABLE_MAKERS = {
    "list",
    "dict",
    "set",
    "bytearray",
    "defaultdict",
    "deque",
    "Counter",
    "OrderedDict",
    "dict.fromkeys",
}
READ_ONLY_TYPES = re.compile(
    r"^(Final\[)?(typing\.|collections\.abc\.)?(Mapping|Sequence|Iterable|Collection|Set|frozenset|tuple)\b"
)


def test_file_sizes() -> None:
    findings = [
        f"{module.name}: {len(module.lines)} lines"
        for module in (*product_modules(), *other_modules())
        if len(module.lines) > FILE_LINES
    ]
    assert not findings, listed(findings)


def test_function_sizes() -> None:
    findings = [
        f"{module.name}:{node.lineno}: {node.name} has {size} lines"
        for module in (*product_modules(), *other_modules())
        for node in ast.walk(module.tree)
        if isinstance(node, Function)
        and (size := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert not findings, listed(findings)


def test_the_file_that_shows_the_life_of_a_worker_stays_short() -> None:
    lines = (ROOT / "src/staffroom/pipeline/hire.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= HIRE_LINES, f"pipeline/hire.py: {len(lines)} lines"


def test_no_blind_except() -> None:
    findings = [finding for module in product_modules() for finding in _blind_excepts(module)]
    assert not findings, listed(findings)


def test_nothing_happens_at_import() -> None:
    findings = [finding for module in product_modules() for finding in _work_at_import(module)]
    assert not findings, listed(findings)


def test_no_mutable_globals() -> None:
    findings = [finding for module in product_modules() for finding in _mutable_globals(module)]
    assert not findings, listed(findings)


def test_public_names_are_listed() -> None:
    findings = [
        module.name
        for module in product_modules()
        if module.tree.body
        and not module.name.endswith("/__main__.py")
        and "__all__" not in _assigned(module)
    ]
    assert not findings, listed(findings)


def test_every_public_definition_says_what_it_is() -> None:
    findings = [finding for module in product_modules() for finding in _undocumented(module)]
    assert not findings, listed(findings)


def test_no_name_that_says_nothing() -> None:
    vague = {"utils", "util", "common", "helpers", "helper", "manager", "misc"}
    findings = [
        module.name
        for module in (*product_modules(), *other_modules())
        if vague & set(re.split(r"[/_.]", module.name))
    ]
    assert not findings, listed(findings)


def test_no_unfinished_work() -> None:
    marks = re.compile(
        r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX"]) + r"|raise NotImplemented" + r"Error)\b"
    )
    findings = [
        f"{module.name}:{number}: {line.strip()}"
        for module in (*product_modules(), *other_modules())
        for number, line in enumerate(module.lines, 1)
        if marks.search(line)
    ]
    assert not findings, listed(findings)


def test_no_skip_hides_a_missing_install() -> None:
    call = "import" + "orskip"
    findings = [module.name for module in other_modules() if call in module.text]
    assert not findings, listed(findings)


def test_the_verifier_needs_the_standard_library_alone() -> None:
    verify = next(module for module in product_modules() if module.name.endswith("ledger/verify.py"))
    foreign = {name for name in _imported(verify) if name.split(".")[0] not in sys.stdlib_module_names}
    assert not foreign


def _blind_excepts(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.ExceptHandler) or not _catches_all(node.type):
            continue
        line = module.lines[node.lineno - 1]
        if any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
            continue
        if not re.search(r"#.*noqa: BLE001\W+\w+", line):
            yield f"{module.name}:{node.lineno}: {line.strip()}"


def _catches_all(node: ast.expr | None) -> bool:
    if node is None:
        return True
    names = node.elts if isinstance(node, ast.Tuple) else [node]
    return any(isinstance(name, ast.Name) and name.id in ("Exception", "BaseException") for name in names)


def _work_at_import(module: Module) -> Iterator[str]:
    own = {node.name for node in module.tree.body if isinstance(node, ast.ClassDef)}
    for node in _top_level(module.tree.body):
        here = f"{module.name}:{node.lineno}"
        if isinstance(node, Function | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Pass):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            yield f"{here}: {type(node).__name__} statement"
            continue
        for call in (inner for inner in ast.walk(node) if isinstance(inner, ast.Call)):
            name = ast.unparse(call.func)
            last = name.split(".")[-1]
            makes_value = name in VALUE_MAKERS or last in own or last.lstrip("_")[:1].isupper()
            if not makes_value and not (isinstance(call.func, ast.Attribute) and last in VALUE_METHODS):
                yield f"{here}: calls {name}"
        if any(isinstance(inner, ast.Attribute) and inner.attr == "environ" for inner in ast.walk(node)):
            yield f"{here}: reads the environment"


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run at import; `if` and `try` around imports are opened, the main guard is not."""
    for node in body:
        if isinstance(node, ast.If):
            if "__main__" not in ast.unparse(node.test):
                yield from _top_level([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from _top_level([*node.body, *node.orelse, *node.finalbody])
        else:
            yield node


def _mutable_globals(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Global):
            yield f"{module.name}:{node.lineno}: global {', '.join(node.names)}"
    for node in _top_level(module.tree.body):
        if (
            isinstance(node, ast.AnnAssign)
            and node.value
            and READ_ONLY_TYPES.match(ast.unparse(node.annotation))
        ):
            continue
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and _is_mutable(node.value):
            target = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
            if target != "__all__":
                yield f"{module.name}:{node.lineno}: {target}"


def _is_mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp):
        return True
    return isinstance(value, ast.Call) and ast.unparse(value.func) in MUTABLE_MAKERS


def _assigned(module: Module) -> set[str]:
    targets = [node.targets[0] for node in module.tree.body if isinstance(node, ast.Assign)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _undocumented(module: Module) -> Iterator[str]:
    if (
        module.tree.body
        and ast.get_docstring(module.tree) is None
        and not module.name.endswith("__main__.py")
    ):
        yield f"{module.name}: module"
    for node in module.tree.body:
        if (
            isinstance(node, Function | ast.ClassDef)
            and not node.name.startswith("_")
            and ast.get_docstring(node) is None
        ):
            yield f"{module.name}:{node.lineno}: {node.name}"


def _imported(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."
