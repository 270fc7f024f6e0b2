"""A Kafka broker as it is run where others can reach it: TLS, every kind of login, and ACLs. One node, on loopback."""

from __future__ import annotations

from pathlib import Path
from secrets import token_urlsafe

from tests.infrastructure.certificates import Authority, Identity, written
from tests.infrastructure.identity_provider import AUDIENCE, ISSUER, IdentityProvider
from tests.infrastructure.kafka import BROKER_SETTINGS, QUICK_START, KafkaServer
from tests.infrastructure.names import fresh
from tests.infrastructure.ports import free_ports

SASL = "org.apache.kafka.common.security"
SESSION_S = 4.0  # how long a login lasts on the listener SHORT (KIP-368)
ADMIN = "admin"
WITH_PASSWORDS = (ADMIN, "gateway", "consumer", "migrate", "verify", "dead-letters")  # as docs/deployment.md has them

# By listener, its protocol and its mechanisms. The last three have certificates that no client of ours may trust.
LISTENERS = {
    "CONTROLLER": ("SASL_PLAINTEXT", ("PLAIN",)),
    "CLEAR": ("SASL_PLAINTEXT", ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")),
    "PASSWORDS": ("SASL_SSL", ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")),
    "TOKENS": ("SASL_SSL", ("OAUTHBEARER",)),
    "SHORT": ("SASL_SSL", ("SCRAM-SHA-512", "OAUTHBEARER")),
    "MTLS": ("SSL", ()),
    "OTHER_CA": ("SSL", ()),
    "OTHER_HOST": ("SSL", ()),
    "EXPIRED": ("SSL", ()),
}


class SecuredKafka(KafkaServer):
    """A broker whose only super user is ADMIN: everybody else may do what ACLs allow (kafka_acls.py).

    WITH_PASSWORDS can log in by password; certificates and tokens admit any user.
    """

    def __init__(self, *, jars: Path, folder: Path, provider: IdentityProvider) -> None:
        self.authority = Authority()
        self.provider = provider
        self.passwords = {user: token_urlsafe() for user in WITH_PASSWORDS}
        self._ports = dict(zip(LISTENERS, free_ports(len(LISTENERS)), strict=True))
        self._ca = written(folder / "ca.pem", self.authority.pem)
        scram = [
            f"{mechanism}=[name={user},password={password}]"
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for user, password in self.passwords.items()
        ]
        super().__init__(
            self._broker_settings(folder),
            jars=jars,
            folder=folder,
            java=[
                "-Xmx512m",
                *QUICK_START,
                "-Dnetwork.level=debug",
                f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={provider.jwks_url}",
            ],
            format_options=[option for each in scram for option in ("--add-scram", each)],
        )

    def bootstrap(self, listener: str) -> str:
        return f"127.0.0.1:{self._ports[listener]}"

    def killed_sessions(self) -> int:
        """How many connections it has closed because a request came after the end of their session."""
        return self.log().count(b"Disconnecting expired channel")

    def log(self) -> bytes:
        """What the broker says."""
        return (self.folder / "server.log").read_bytes()

    def secrets(self) -> list[str]:
        """What no output may show."""
        return [*self.passwords.values(), *self.provider.clients.values()]

    def with_password(self, sasl: str, user: str, *, listener: str = "PASSWORDS") -> dict[str, str]:
        """The settings of a process of ours that logs in so. `sasl` is a value of KAFKA_SASL."""
        return self._settings_for(listener) | {
            "KAFKA_SASL": sasl,
            "KAFKA_USER": user,
            "KAFKA_PASSWORD": self.passwords[user],
        }

    def with_tokens(self, user: str, *, listener: str = "TOKENS") -> dict[str, str]:
        """The settings of a process of ours that logs in by tokens of the identity provider."""
        secret = self.provider.clients.setdefault(user, token_urlsafe())
        return self._settings_for(listener) | {
            "KAFKA_SASL": "oauthbearer",
            "KAFKA_TOKEN_URL": self.provider.token_url,
            "KAFKA_CLIENT_ID": user,
            "KAFKA_CLIENT_SECRET": secret,
        }

    def certified(self, user: str, *, listener: str = "MTLS") -> dict[str, str]:
        """The settings of a process of ours with a certificate for this user."""
        certificate, key = self.authority.issue(user).written(self.folder, fresh("client"))
        return self._settings_for(listener) | {"KAFKA_CERT_FILE": str(certificate), "KAFKA_KEY_FILE": str(key)}

    def _settings_for(self, listener: str) -> dict[str, str]:
        protocol, _ = LISTENERS[listener]
        ca = {"KAFKA_CA_FILE": str(self._ca)} if protocol.endswith("SSL") else {}
        return {"KAFKA": self.bootstrap(listener), "KAFKA_SECURITY": protocol.lower(), **ca}

    def _broker_settings(self, folder: Path) -> dict[str, str]:
        listed = ",".join(f"{name}://{self.bootstrap(name)}" for name in LISTENERS)
        settings = BROKER_SETTINGS | {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{self.bootstrap('CONTROLLER')}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "CLEAR",
            "listeners": listed,
            "advertised.listeners": listed.partition(",")[2],
            "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, (kind, _) in LISTENERS.items()),
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "sasl.mechanism.controller.protocol": "PLAIN",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{ADMIN}",
            "allow.everyone.if.no.acl.found": "false",
            "ssl.principal.mapping.rules": "RULE:^CN=(.*)$/$1/",
            "sasl.oauthbearer.jwks.endpoint.url": self.provider.jwks_url,
            "sasl.oauthbearer.expected.audience": AUDIENCE,
            "sasl.oauthbearer.expected.issuer": ISSUER,
            # The default of Kafka 4.1.1 takes a token whoever signed it.
            "sasl.oauthbearer.jwt.validator.class": f"{SASL}.oauthbearer.BrokerJwtValidator",
        }
        identities = {
            "OTHER_CA": Authority("another CA").issue("broker"),
            "OTHER_HOST": self.authority.issue("broker", hosts=("kafka.example",)),
            "EXPIRED": self.authority.issue("broker", expired=True),
        }
        broker = self.authority.issue("broker")
        for name, (protocol, mechanisms) in LISTENERS.items():
            of_listener: dict[str, str] = {}
            if protocol.endswith("SSL"):
                of_listener |= _keystore(folder, name, identities.get(name, broker), self._ca)
                of_listener["ssl.client.auth"] = "required" if name == "MTLS" else "none"
            if mechanisms:
                of_listener["sasl.enabled.mechanisms"] = ",".join(mechanisms)
            for mechanism in mechanisms:
                of_listener |= self._mechanism(mechanism)
                if name == "SHORT":
                    of_listener[f"{mechanism.lower()}.connections.max.reauth.ms"] = str(int(SESSION_S * 1000))
            settings |= {f"listener.name.{name.lower()}.{key}": value for key, value in of_listener.items()}
        return settings

    def _mechanism(self, mechanism: str) -> dict[str, str]:
        name = mechanism.lower()
        match mechanism:
            case "PLAIN":
                users = " ".join(f'user_{user}="{password}"' for user, password in self.passwords.items())
                own = f'username="{ADMIN}" password="{self.passwords[ADMIN]}"'  # for the broker's own connections
                return {f"{name}.sasl.jaas.config": f"{SASL}.plain.PlainLoginModule required {own} {users};"}
            case "OAUTHBEARER":
                handler = f"{SASL}.oauthbearer.OAuthBearerValidatorCallbackHandler"
                return {
                    f"{name}.sasl.jaas.config": f"{SASL}.oauthbearer.OAuthBearerLoginModule required;",
                    f"{name}.sasl.server.callback.handler.class": handler,
                }
            case _:
                return {f"{name}.sasl.jaas.config": f"{SASL}.scram.ScramLoginModule required;"}


def _keystore(folder: Path, listener: str, identity: Identity, ca: Path) -> dict[str, str]:
    file = written(folder / f"{listener}.pem", identity.key + identity.certificate)
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(file),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(ca),
    }
