"""The login by SCRAM, against servers that want to learn the password or to hold up the process."""

from __future__ import annotations

import asyncio
import base64
import re

import pytest

from siddes_telemetry.backends.kafka.aiokafka_scram import Scram
from siddes_telemetry.backends.kafka.failures import LoginNotProven

SALT = base64.b64encode(b"salt").decode()


async def proof_to(first_answer: str, login: Scram) -> bytes:
    """The client's last message. `first_answer` has {nonce} for the client's nonce."""
    message = await login.step(None)
    assert message is not None
    nonce = re.search(rb"r=([^,]+)", message[0])
    assert nonce
    proof = await login.step(first_answer.format(nonce=nonce[1].decode()).encode())
    assert proof is not None
    return bytes(proof[0])


def login() -> Scram:
    return Scram(
        loop=asyncio.get_running_loop(),
        sasl_plain_password="canary",
        sasl_plain_username="gateway",
        sasl_mechanism="SCRAM-SHA-256",
    )


@pytest.mark.parametrize(
    "first_answer",
    [
        "r={nonce}x,s=" + SALT + ",i=1",
        "r={nonce}x,s=" + SALT + ",i=4095",
        "r={nonce}x,s=" + SALT + ",i=-4096",
        "r={nonce}x,s=" + SALT + ",i=1000001",
        "r={nonce}x,s=" + SALT + ",i=" + "9" * 5000,
        "r=another,s=" + SALT + ",i=4096",
        "r={nonce}x,s=" + SALT,
        "canary",
        "",
    ],
)
async def test_no_proof_of_the_password_goes_to_a_server_with_an_unsafe_challenge(first_answer: str) -> None:
    with pytest.raises(LoginNotProven) as raised:
        await proof_to(first_answer, login())
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize("last_answer", [b"v=" + base64.b64encode(bytes(32)), b"e=other-error", b"", b"\xff"])
async def test_a_server_without_the_password_is_not_logged_in_to(last_answer: bytes) -> None:
    ours = login()
    await proof_to("r={nonce}x,s=" + SALT + ",i=4096", ours)
    with pytest.raises(LoginNotProven):
        await ours.step(last_answer)
