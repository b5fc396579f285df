"""Tools under control: what a job declares, called with checked arguments, by a policy that no text can talk round."""

from staffroom.serve.tools.desk import CallEnd, CallOutcome, Executor, ToolDesk, ToolFailed, ToolSession
from staffroom.serve.tools.http_tool import HttpExecutor
from staffroom.serve.tools.policy import Allowance, CallVerdict, Source, allowance
from staffroom.serve.tools.search_tool import SearchExecutor
from staffroom.serve.tools.sql_tool import SqlExecutor

__all__ = [
    "Allowance",
    "CallEnd",
    "CallOutcome",
    "CallVerdict",
    "Executor",
    "HttpExecutor",
    "SearchExecutor",
    "Source",
    "SqlExecutor",
    "ToolDesk",
    "ToolFailed",
    "ToolSession",
    "allowance",
]
