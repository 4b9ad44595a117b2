"""`python -m benchmarks.echo FILE`: a bare grpc.aio server that answers every call with the bytes of a file."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import grpc.aio

from benchmarks.processes import OPTIONS


class _Echo(grpc.GenericRpcHandler):
    def __init__(self, answer: bytes) -> None:
        async def reply(_: bytes, __: Any) -> bytes:
            return answer

        self._handler = grpc.unary_unary_rpc_method_handler(reply)

    def service(self, _: Any) -> Any:
        return self._handler


async def main() -> None:
    """Print the port, then serve."""
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers((_Echo(Path(sys.argv[1]).read_bytes()),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
