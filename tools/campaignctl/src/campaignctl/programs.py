"""The programs of the engine as a table: what starts each, and how it is told its neighbours.

Services are told everything by their environment; the carrier simulator by arguments. Ports are
chosen before anything starts, so that a program that is started again answers where it did before.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
ARI_LOGIN = "dialer"


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where everything is.

    Attributes:
        carrier_port: Of the carrier simulator; so are the other ports of theirs.
        speed: How many seconds of the simulated network pass in one of ours.
        seed: Decides what numbers do that the simulator's table does not name.
        espeak: The program that speaks.
        username: Of the first login, made when there is none yet.
        jwt_secret: Signs logins, so that they outlive a restart of the campaign-manager.
    """

    kafka_bootstrap: str
    redis_url: str
    carrier_port: int
    api_port: int
    flow_runner_port: int
    dialer_ports: tuple[int, ...]
    journal: Path
    call_records: Path
    speech_folder: Path
    espeak: str
    speed: float
    seed: int
    username: str
    password: str
    jwt_secret: str


@dataclass(frozen=True)
class Program:
    """One program of the engine.

    Attributes:
        has_probes: It answers on /readyz; without them it is ready when its port is open.
    """

    name: str
    command: tuple[str, ...]
    port: int
    env: Mapping[str, str]
    has_probes: bool = True


def programs_at(places: Places) -> tuple[Program, ...]:
    """Return the programs in the order in which they begin; they end in the reverse."""
    return (
        Program(
            "carrier-simulator",
            (
                *_python("carrier_simulator"),
                *("--port", str(places.carrier_port), "--seed", str(places.seed)),
                *("--journal", str(places.journal), "--call-records", str(places.call_records)),
                *("--speed", f"{places.speed:g}"),
            ),
            places.carrier_port,
            {},
            has_probes=False,
        ),
        _service(
            "campaign-manager",
            places.api_port,
            places,
            BOOTSTRAP_USERNAME=places.username,
            BOOTSTRAP_PASSWORD=places.password,
            JWT_SECRET=places.jwt_secret,
        ),
        _service(
            "flow-runner",
            places.flow_runner_port,
            places,
            PUBLIC_URL=f"http://{HOST}:{places.flow_runner_port}",
            CACHE_FOLDER=str(places.speech_folder),
            ESPEAK=places.espeak,
        ),
        *(
            _service(
                "dialer",
                port,
                places,
                number=number,
                ARI_URL=f"http://{HOST}:{places.carrier_port}/ari",
                ARI_USERNAME=ARI_LOGIN,
                ARI_PASSWORD=ARI_LOGIN,
                CALL_RECORDS=str(places.call_records),
            )
            for number, port in enumerate(places.dialer_ports, 1)
        ),
    )


def _service(name: str, port: int, places: Places, *, number: int = 1, **own: str) -> Program:
    told = {
        "KAFKA_BOOTSTRAP": places.kafka_bootstrap,
        "REDIS_URL": places.redis_url,
        "HTTP_HOST": HOST,
        "HTTP_PORT": str(port),
        "WORKER_ID": str(number),
        **own,
    }
    module = name.replace("-", "_")
    env = {f"{module.upper()}_{key}": value for key, value in told.items()}
    return Program(name if number == 1 else f"{name}-{number}", _python(module), port, env)


def _python(module: str) -> tuple[str, ...]:
    return sys.executable, "-m", module
