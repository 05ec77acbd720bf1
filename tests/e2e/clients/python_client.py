"""The client of the Python SDK: python_client.py ERA CALLS (URL | -- COMMAND...)

ERA is `legacy`, `auto` or a protocol version; CALLS is a JSON array of [tool, arguments]. A URL that
ends in /sse is the transport of 2024-11-05. Lists the tools, makes the calls, four at a time, and
prints {"made": ..., "failed": ..., "errors": ...}.
"""

import json
import os
import sys

import anyio
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.sse import sse_client

AT_ONCE = 4


def target(arguments: list[str]):
    """What the client connects to."""
    if arguments[0] == "--":
        return StdioServerParameters(command=arguments[1], args=arguments[2:], env=dict(os.environ))
    if arguments[0].endswith("/sse"):
        return sse_client(arguments[0])
    return arguments[0]


async def main(era: str, calls: list, arguments: list[str]) -> None:
    """Connects, calls, prints the figures."""
    figures = {"made": 0, "failed": 0, "errors": 0}

    async def call(name: str, values: dict, limit: anyio.Semaphore) -> None:
        async with limit:
            figures["made"] += 1
            try:
                result = await client.call_tool(name, values)
                figures["failed"] += bool(result.is_error)
            except MCPError:
                figures["errors"] += 1

    async with Client(target(arguments), mode=era, read_timeout_seconds=120) as client:
        await client.list_tools()
        limit = anyio.Semaphore(AT_ONCE)
        async with anyio.create_task_group() as group:
            for name, values in calls:
                group.start_soon(call, name, values, limit)
    print(json.dumps(figures))


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:])
