"""Drives the server with the official Python SDK, 1.x or 2.x, whichever is installed.

Arguments: `stdio COMMAND`, `http URL` or `sse URL`. Prints one line of JSON that says what the SDK saw.
"""

import asyncio
import json
import sys
import time
from contextlib import asynccontextmanager
from importlib.metadata import version

from jsonschema import Draft202012Validator
from mcp import StdioServerParameters

SDK = version("mcp")


def plain(value):
    """A model of the SDK as JSON, with the names of the protocol."""
    return value.model_dump(by_alias=True, mode="json", exclude_none=True)


def old_transport(transport, server):
    """The transport as SDK 1.x has it."""
    if transport == "stdio":
        from mcp.client.stdio import stdio_client

        return stdio_client(StdioServerParameters(command=server, args=[]))
    if transport == "http":
        from mcp.client.streamable_http import streamablehttp_client

        return streamablehttp_client(server)
    from mcp.client.sse import sse_client

    return sse_client(server)


def new_transport(transport, server):
    """The transport as SDK 2.x has it."""
    if transport == "stdio":
        return StdioServerParameters(command=server, args=[])
    if transport == "http":
        return server
    from mcp.client.sse import sse_client

    return sse_client(server)


@asynccontextmanager
async def connect(transport, server):
    """A client after the negotiation, with the version and the instructions that it got."""
    if SDK.startswith("1."):
        from mcp import ClientSession

        # Over streamable HTTP there is a third one, which tells the id of the session.
        async with old_transport(transport, server) as (read, write, *_), ClientSession(read, write) as session:
            greeting = await session.initialize()
            yield session, greeting.protocolVersion, greeting.instructions
    else:
        from mcp import Client

        async with Client(new_transport(transport, server)) as client:
            yield client, client.protocol_version, client.instructions


async def drive(transport, server):
    seen = {"sdk": SDK}
    async with connect(transport, server) as (client, protocol, instructions):
        seen |= {"protocolVersion": protocol, "instructions": instructions}
        tools = [plain(tool) for tool in (await client.list_tools()).tools]
        for tool in tools:
            Draft202012Validator.check_schema(tool["inputSchema"])
            Draft202012Validator.check_schema(tool.get("outputSchema", {}))
        seen["tools"] = tools

        async def call(name, arguments):
            return plain(await client.call_tool(name, arguments))

        seen["connect"] = await call("ssh_connect", {"host": "test"})
        command = "echo out; echo err >&2; exit 3"
        seen["exec"] = await call("ssh_exec", {"command": command})
        seen["sessions"] = await call("ssh_sessions", {})
        seen["unknown"] = await call("ssh_exec", {"command": "true", "session": "nobody"})
        seen["disconnect"] = await call("ssh_disconnect", {})
        closing = time.monotonic()
    seen["closeMs"] = round((time.monotonic() - closing) * 1000)
    return seen


def main():
    print(json.dumps(asyncio.run(drive(*sys.argv[1:3]))))


main()
