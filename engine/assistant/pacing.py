"""Bound a stream in time: the whole of it, and the silence between two pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TypeVar

from engine.assistant.errors import Stalled

T = TypeVar("T")
STALL_S = 20.0  # silence between two pieces; the first may take the whole deadline


async def paced(
    stream: AsyncGenerator[T, None], deadline_s: float, stall_s: float
) -> AsyncIterator[T]:
    """Yield what a stream yields. Raises ``Stalled`` at the deadline or after a silence (s)."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    allowed = deadline_s
    async with aclosing(stream):
        while True:
            wait = min(allowed, end - loop.time())
            try:
                async with asyncio.timeout(wait):
                    item = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise Stalled(min(allowed, deadline_s)) from None
            yield item
            allowed = stall_s
