"""Routes whose reads are made again where they broke off."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from heartbeat_api.database import BrokenReadError

_READS = {"GET", "HEAD"}


class RereadingRoute(APIRoute):
    """A route that answers a read once more."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        answer = super().get_route_handler()

        async def answer_again(request: Request) -> Response:
            try:
                return await answer(request)
            except BrokenReadError:
                if request.method not in _READS:
                    raise
                return await answer(request)

        return answer_again
