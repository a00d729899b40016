"""How Kafka and Redis are reached: addresses, encryption, and who we are to them.

Services read these settings with their prefix, `campaignctl` without one.
"""

import re
import ssl
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote, urlencode, urlsplit

from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

REDIS_SCHEMES = ("redis", "rediss", "redis+cluster", "rediss+cluster")
BROKERS = re.compile(r"[^\s:,/]+:\d{1,5}(,[^\s:,/]+:\d{1,5})*")
SASL = {
    "PLAIN": SASLPlaintext,
    "SCRAM-SHA-256": SASLScram256,
    "SCRAM-SHA-512": SASLScram512,
}


class Connections(BaseSettings):
    """Where Kafka and Redis are, and what they ask of those who connect."""

    model_config = SettingsConfigDict(frozen=True)

    kafka_bootstrap: str = Field(default="127.0.0.1:9092", description="host:port[,host:port]")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_username: str | None = None
    kafka_password: SecretStr | None = None
    kafka_ca_file: Path | None = Field(
        default=None, description="PEM; the system's authorities if left out."
    )
    kafka_certificate_file: Path | None = Field(default=None, description="Ours, PEM.")
    kafka_key_file: Path | None = Field(default=None, description="Of our certificate, PEM.")
    redis_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        description="redis://host:port/0, or redis+cluster://host:port[,host:port] of a cluster; "
        "rediss:// and rediss+cluster:// are encrypted.",
    )
    redis_username: str | None = None
    redis_password: SecretStr | None = None
    redis_ca_file: Path | None = Field(
        default=None, description="PEM; the system's authorities if left out."
    )

    @field_validator("kafka_bootstrap")
    @classmethod
    def _names_brokers(cls, given: str) -> str:
        if not BROKERS.fullmatch(given):
            raise ValueError(f"{given!r} names no brokers: write host:port[,host:port]")
        return given

    @field_validator("redis_url")
    @classmethod
    def _names_redis(cls, given: str) -> str:
        if given and urlsplit(given).scheme not in REDIS_SCHEMES:
            raise ValueError(
                f"it must begin with one of {', '.join(f'{s}://' for s in REDIS_SCHEMES)}"
            )
        return given

    @field_validator("kafka_ca_file", "kafka_certificate_file", "kafka_key_file", "redis_ca_file")
    @classmethod
    def _is_readable(cls, given: Path | None) -> Path | None:
        if given is not None:
            try:
                given.read_bytes()
            except OSError as trouble:
                raise ValueError(f"{given} cannot be read: {trouble.strerror}") from trouble
        return given

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """Refuse what contradicts itself, all of it at once."""
        if wrong := [*self._wrong_with_kafka(), *self._wrong_with_redis()]:
            raise ValueError("\n".join(wrong))
        return self

    def _wrong_with_kafka(self) -> list[str]:
        protocol, wrong = self.kafka_security_protocol, []
        has_login = self.kafka_username is not None or self.kafka_password is not None
        is_whole = self.kafka_username is not None and self.kafka_password is not None
        if protocol.startswith("SASL") and not is_whole:
            wrong.append(
                f"KAFKA_SECURITY_PROTOCOL {protocol} needs KAFKA_USERNAME and KAFKA_PASSWORD"
            )
        if not protocol.startswith("SASL") and has_login:
            wrong.append(f"KAFKA_USERNAME and KAFKA_PASSWORD mean nothing with {protocol}")
        files = (self.kafka_ca_file, self.kafka_certificate_file, self.kafka_key_file)
        if not protocol.endswith("SSL") and any(files):
            wrong.append(f"the KAFKA_..._FILE settings mean nothing with {protocol}")
        if (self.kafka_certificate_file is None) != (self.kafka_key_file is None):
            wrong.append("KAFKA_CERTIFICATE_FILE and KAFKA_KEY_FILE go together")
        elif protocol.endswith("SSL"):
            try:
                self._kafka_ssl()
            except (ssl.SSLError, OSError) as trouble:
                wrong.append(f"a KAFKA_..._FILE is no PEM of the right kind: {trouble}")
        return wrong

    def _wrong_with_redis(self) -> list[str]:
        wrong, parts = [], urlsplit(self.redis_url)
        if self.redis_password is not None and parts.password is not None:
            wrong.append("REDIS_URL has a password already, REDIS_PASSWORD is one too many")
        if self.redis_username is not None and self.redis_password is None:
            wrong.append("REDIS_USERNAME needs REDIS_PASSWORD")
        if self.redis_ca_file is not None and not parts.scheme.startswith("rediss"):
            wrong.append("REDIS_CA_FILE means nothing unless REDIS_URL begins with rediss")
        elif self.redis_ca_file is not None:
            try:
                ssl.create_default_context(cafile=self.redis_ca_file)
            except ssl.SSLError as trouble:
                wrong.append(f"REDIS_CA_FILE is no PEM of certificates: {trouble}")
        return wrong

    def _kafka_ssl(self) -> ssl.SSLContext | None:
        if not self.kafka_security_protocol.endswith("SSL"):
            return None
        context = ssl.create_default_context(cafile=self.kafka_ca_file)
        if self.kafka_certificate_file is not None:
            context.load_cert_chain(self.kafka_certificate_file, self.kafka_key_file)
        return context

    # ---- what clients are told

    @property
    def kafka(self) -> dict[str, Any]:
        """What each client of aiokafka's is told."""
        told = {
            "bootstrap_servers": self.kafka_bootstrap,
            "security_protocol": self.kafka_security_protocol,
            "ssl_context": self._kafka_ssl(),
        }
        if self.kafka_password is not None:
            told |= {
                "sasl_mechanism": self.kafka_sasl_mechanism,
                "sasl_plain_username": self.kafka_username,
                "sasl_plain_password": self.kafka_password.get_secret_value(),
            }
        return told

    @property
    def kafka_security(self) -> BaseSecurity:
        """The same, but for the address, as FastStream wants it."""
        context = self._kafka_ssl()
        if self.kafka_username is None or self.kafka_password is None:
            return BaseSecurity(ssl_context=context, use_ssl=context is not None)
        kind = SASL[self.kafka_sasl_mechanism]
        password = self.kafka_password.get_secret_value()
        return kind(self.kafka_username, password, ssl_context=context, use_ssl=context is not None)

    @property
    def redis(self) -> str:
        """The whole address of Redis, with its secrets, for `chassis.store.connect`."""
        parts = urlsplit(self.redis_url)
        if self.redis_password is not None:
            password = quote(self.redis_password.get_secret_value(), safe="")
            login = f"{quote(self.redis_username or '', safe='')}:{password}"
            parts = parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}")
        if self.redis_ca_file is not None:
            parts = parts._replace(query=urlencode({"ssl_ca_certs": str(self.redis_ca_file)}))
        return parts.geturl()
