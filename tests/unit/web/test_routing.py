from __future__ import annotations

import pytest

from siddes_telemetry.web.routing import Request, Response, Route, RouteAccess, routes_by_path


async def handler(_: Request) -> Response:
    return Response(b"")


def test_two_routes_for_one_request_are_a_mistake() -> None:
    route = Route("GET", "/x", "x", handler, RouteAccess.PUBLIC)
    with pytest.raises(ValueError, match="two routes for GET /x"):
        routes_by_path([route, route])


def test_a_get_route_answers_head_too() -> None:
    get = Route("GET", "/x", "x", handler, RouteAccess.PUBLIC)
    post = Route("POST", "/x", "x", handler, RouteAccess.WRITE)
    assert routes_by_path([get, post]) == {"/x": {"GET": get, "HEAD": get, "POST": post}}
