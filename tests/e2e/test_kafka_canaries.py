"""No credential of ours, and nothing that a hostile broker, host or token endpoint says, gets into any output."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

from aiohttp import web
from aiokafka.protocol.admin import DescribeConfigsResponse_v1, SaslAuthenticateResponse_v1, SaslHandShakeResponse_v1
from aiokafka.protocol.api import Response
from aiokafka.protocol.coordination import FindCoordinatorResponse_v1
from aiokafka.protocol.metadata import MetadataResponse_v5

from tests.e2e.canaries import Canaries, Scan
from tests.e2e.refused_processes import Refused, search_all_output
from tests.infrastructure.identity_provider import Answer, IdentityProvider
from tests.infrastructure.ports import free_ports
from tests.infrastructure.scripted_broker import Script, scripted_broker
from tests.product.deployments import JWT_SECRET

TOPIC, NOBODY = "counts", "127.0.0.1:9"
UNSUPPORTED_MECHANISM, GROUP_FORBIDDEN, TOPIC_FORBIDDEN, LOGIN_FAILED = 33, 30, 29, 58


class Doors:
    """Where canaries go in."""

    def __init__(self, canaries: Canaries, stack: AsyncExitStack) -> None:
        self._new = canaries.new
        self._stack = stack

    async def broker(self, *answers: Response) -> str:
        return await self._stack.enter_async_context(scripted_broker(script(*answers)))

    async def refusing_broker(self) -> str:
        """It refuses every login."""
        return await self.broker(
            SaslHandShakeResponse_v1(0, ["PLAIN", "OAUTHBEARER", self._new("a mechanism")]),
            SaslAuthenticateResponse_v1(LOGIN_FAILED, self._new("why a login fails"), b"", 0),
        )

    async def broker_that_answers_tokens(self) -> str:
        """It refuses a token as RFC 7628 has it."""
        said = b'{"status":"%s"}' % self._new("why a token is refused").encode()
        return await self.broker(
            SaslHandShakeResponse_v1(0, ["OAUTHBEARER"]), SaslAuthenticateResponse_v1(0, "", said, 0)
        )

    async def broker_of_other_mechanisms(self) -> str:
        return await self.broker(SaslHandShakeResponse_v1(UNSUPPORTED_MECHANISM, [self._new("another mechanism")]))

    async def broker_elsewhere(self) -> str:
        """It names a broker whose host has no address."""
        return await self.broker(self._metadata(f"{self._new('an advertised host')}.invalid", 9092))

    async def forbidding_broker(self) -> str:
        """It lets nobody do anything."""
        (port,) = free_ports(1)
        new = self._new
        answers = (
            self._metadata("127.0.0.1", port),
            FindCoordinatorResponse_v1(0, GROUP_FORBIDDEN, new("why there is no coordinator"), 1, new("a host"), 1),
            DescribeConfigsResponse_v1(0, [(TOPIC_FORBIDDEN, new("why there are no settings"), 2, TOPIC, [])]),
        )
        return await self._stack.enter_async_context(scripted_broker(script(*answers), port=port))

    def token_endpoint(self, answer: Answer | None = None) -> str:
        provider = self._stack.enter_context(IdentityProvider())
        provider.answer = answer
        return f"{provider.token_url}?{self._new('the URL of a token endpoint')}"

    def gives_a_token(self) -> str:
        token = self._new("a token")

        async def answer(_request: web.Request) -> web.StreamResponse:
            return web.json_response({"access_token": token, "expires_in": 3600})

        return self.token_endpoint(answer)

    def refuses_clients(self) -> str:
        said = {name: self._new(f"a token endpoint's {name}") for name in ("error", "error_description", "error_uri")}

        async def answer(_request: web.Request) -> web.StreamResponse:
            return web.json_response(said, status=401, headers={"WWW-Authenticate": f'Basic realm="{said["error"]}"'})

        return self.token_endpoint(answer)

    def by_password(self, broker: str) -> dict[str, str]:
        return {
            "KAFKA": broker,
            "KAFKA_SECURITY": "sasl_plaintext",
            "KAFKA_SASL": "plain",
            "KAFKA_USER": self._new("KAFKA_USER"),
            "KAFKA_PASSWORD": self._new("KAFKA_PASSWORD"),
        }

    def by_token(self, broker: str, token_url: str) -> dict[str, str]:
        return {
            "KAFKA": broker,
            "KAFKA_SECURITY": "sasl_plaintext",
            "KAFKA_SASL": "oauthbearer",
            "KAFKA_TOKEN_URL": token_url,
            "KAFKA_CLIENT_ID": self._new("KAFKA_CLIENT_ID"),
            "KAFKA_CLIENT_SECRET": self._new("KAFKA_CLIENT_SECRET"),
            "KAFKA_SCOPE": self._new("KAFKA_SCOPE"),
        }

    def _metadata(self, host: str, port: int) -> Response:
        topics: list[tuple[object, ...]] = [
            (0, TOPIC, False, [(0, 0, 1, [1], [1], [])]),
            (0, self._new("another topic"), False, []),
        ]
        return MetadataResponse_v5(0, [(1, host, port, self._new("a rack"))], self._new("a cluster"), 1, topics)


async def test_nothing_that_is_secret_or_that_others_say_is_repeated(tmp_path: Path) -> None:
    canaries = Canaries(Random())
    scan = Scan(canaries, lambda _: set(), secrets=())
    own = {
        "CLICKHOUSE": f"http://user:password@{NOBODY}/counts",
        "JWT_SECRET": JWT_SECRET,
        "LOG_LEVEL": "debug",
        "TOPIC": TOPIC,
        "PARTITIONS": "1",
    }
    async with AsyncExitStack() as stack:
        doors = Doors(canaries, stack)
        refusing, forbidding = await doors.refusing_broker(), await doors.forbidding_broker()
        # By the service's name: (its settings, what it logs of its readiness).
        services = {
            "gateway": (doors.by_password(refusing), "log login"),
            "gateway-2": (
                doors.by_token(await doors.broker_that_answers_tokens(), doors.gives_a_token()),
                "log token_not_accepted",
            ),
            "consumer": ({"KAFKA": forbidding}, "log access"),
        }
        # (command, its settings, words of its error)
        commands = [
            (("dead-letters",), doors.by_token(refusing, doors.refuses_clients()), "token endpoint refuses the client"),
            (("dead-letters",), doors.by_password(await doors.broker_of_other_mechanisms()), "does not offer this"),
            (("migrate", "--topics"), {"KAFKA": forbidding}, "no permission for DescribeConfigs on topic counts"),
            (("migrate", "--topics"), {"KAFKA": await doors.broker_elsewhere()}, "advertised.listeners has no address"),
            (("dead-letters",), {"KAFKA": f"{canaries.new('a host')}.invalid"}, "has no address"),
        ]
        await search_all_output(Refused(services, commands), own, tmp_path, scan)
    assert scan.findings == set()


def script(*answers: Response) -> Script:
    return {(answer.API_KEY, answer.API_VERSION): answer for answer in answers}
