"""Callers that predict while something else happens."""

from __future__ import annotations

import asyncio
from typing import Self

import grpc.aio

from featurama.v1 import prediction_service_pb2 as pb

from .servers import Client, until

CALLERS = 8


class Load:
    """Callers that ask one after another until the context ends; what they were told, by version."""

    def __init__(self, client: Client, request: pb.PredictRequest) -> None:
        self._client = client
        self._request = request
        self._over = False
        self.answers: list[tuple[int, tuple[float, ...]]] = []
        self.errors: list[grpc.aio.AioRpcError] = []

    async def __aenter__(self) -> Self:
        self._callers = [asyncio.create_task(self._call()) for _ in range(CALLERS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over = True
        await asyncio.gather(*self._callers)

    async def _call(self) -> None:
        while not self._over:
            try:
                answer = await self._client.predictions.Predict(self._request)
            except grpc.aio.AioRpcError as error:
                self.errors.append(error)
                return
            self.answers.append((answer.version, tuple(answer.predictions)))

    async def answered(self, version: int) -> None:
        """Return when the version answers, and again after every caller asked once more."""
        await until(lambda: bool(self.errors) or (bool(self.answers) and self.answers[-1][0] == version))
        seen = len(self.answers)
        await until(lambda: bool(self.errors) or len(self.answers) > seen + 2 * CALLERS)


async def answer_of(client: Client, request: pb.PredictRequest, version: int) -> tuple[float, ...]:
    """What a version answers to a request that names an alias."""
    asked = pb.PredictRequest()
    asked.CopyFrom(request)
    asked.version = version
    return tuple((await client.predictions.Predict(asked)).predictions)
