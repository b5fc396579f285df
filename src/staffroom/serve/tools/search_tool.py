"""A search in the worker's own documents, as a tool."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from staffroom.records.protocols import Retriever
from staffroom.records.tools import SearchTool

__all__ = ["SearchExecutor"]

_EXCERPT = 1200


class SearchExecutor:
    """Carries searches out."""

    def __init__(self, tool: SearchTool, retriever: Retriever) -> None:
        self._tool = tool
        self._retriever = retriever

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """Return the excerpts as JSON lines: document, heading, text."""
        found = await asyncio.to_thread(self._retriever.search, arguments["question"], self._tool.results)
        return "\n".join(
            json.dumps(
                {
                    "document": item.document_name,
                    "heading": " ".join(item.heading_path),
                    "text": item.text[:_EXCERPT],
                },
                ensure_ascii=False,
            )
            for item in found
        )
