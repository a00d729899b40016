"""The options that several commands share, with the words that explain them."""

from pathlib import Path
from typing import Annotated

import typer

Speed = Annotated[
    float,
    typer.Option(min=0.1, help="Seconds of the simulated network that pass in one of ours."),
]
Seed = Annotated[int, typer.Option(help="Decides everything that is drawn by chance.")]
Kafka = Annotated[
    str,
    typer.Option(
        metavar="[auto|env|docker|native|embedded]",
        help="Which Kafka to take; auto: the most real one that this machine can have.",
    ),
]
Redis = Annotated[
    str, typer.Option(metavar="[auto|env|docker|native|embedded]", help="The same for Redis.")
]
Data = Annotated[
    Path | None,
    typer.Option(
        file_okay=False,
        help="Where state, logs and journal stay for the next run. "
        "Without it they lie in a temporary folder and go at the end.",
    ),
]
ApiUrl = Annotated[
    str, typer.Option(help="Root of the REST API, without /v1.0.", envvar="CAMPAIGNCTL_API_URL")
]
Username = Annotated[str, typer.Option(help="For the login.", envvar="CAMPAIGNCTL_USERNAME")]
Password = Annotated[str, typer.Option(help="For the login.", envvar="CAMPAIGNCTL_PASSWORD")]
Accesskey = Annotated[
    str | None,
    typer.Option(help="An access key, instead of a login.", envvar="CAMPAIGNCTL_ACCESSKEY"),
]
KafkaBootstrap = Annotated[
    str, typer.Option(help="Kafka's address, host:port.", envvar="KAFKA_BOOTSTRAP")
]
RedisUrl = Annotated[str, typer.Option(help="Redis's address.", envvar="REDIS_URL")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

DEFAULT_API_URL = "http://127.0.0.1:8080"
