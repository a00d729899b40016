"""`campaignctl up`: the whole engine on this machine, until ctrl-C."""

import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from campaignctl import options
from campaignctl.screen import a_console, announcing
from campaignctl.stack import PASSWORD, USERNAME, Stack, StackOptions, running_stack

CHECK_EVERY_S = 0.2

ApiPort = Annotated[
    int, typer.Option(min=0, max=65535, help="Where the REST API listens; 0: on any free port.")
]


def up(
    *,
    data: options.Data = None,
    speed: options.Speed = 1.0,
    seed: options.Seed = 1,
    api_port: ApiPort = 8080,
    kafka: options.Kafka = "auto",
    redis: options.Redis = "auto",
    username: options.Username = USERNAME,
    password: options.Password = PASSWORD,
) -> None:
    """Run the whole engine on this machine; ctrl-C ends it.

    Finds or starts Kafka and Redis, then starts a simulated telephone network, the
    campaign-manager, the flow-runner and the dialer. Nothing is left behind when it ends.

    Example: a network that lives ten times as fast, with state that stays:

        campaignctl up --speed 10 --data ./state

    and then, in another terminal: campaignctl demo --api-url http://127.0.0.1:8080
    """
    console = a_console()
    stack_options = StackOptions(
        data=data,
        speed=speed,
        seed=seed,
        api_port=api_port,
        kafka=kafka,
        redis=redis,
        username=username,
        password=password,
    )
    try:
        with ExitStack() as at_end:
            with announcing(console, "Starting the engine ...") as announce:
                stack = at_end.enter_context(running_stack(stack_options, announce=announce))
            console.print(told(stack, data), markup=False)
            watch_over(stack)
    except KeyboardInterrupt:
        console.print("Stopped.")


def watch_over(stack: Stack) -> NoReturn:
    """Return never; raise ChildExited when a process ends unasked."""
    while True:
        stack.check()
        time.sleep(CHECK_EVERY_S)


def told(stack: Stack, data: Path | None) -> str:
    """Return what there is now and what can be done with it."""
    stay = "" if data else " (gone at the end; --data DIR keeps them)"
    login = json.dumps({"username": stack.username, "password": stack.password})
    return f"""
The engine runs. ctrl-C ends it.

  API      {stack.api_url}/v1.0
  login    {stack.username} / {stack.password}
  logs     {stack.logs}{stay}
  journal  {stack.journal}

Try it:

  curl -s -H 'Content-Type: application/json' -d '{login}' \\
    {stack.api_url}/auth/login
  curl -s '{stack.api_url}/v1.0/campaigns?token=TOKEN'
  campaignctl demo --api-url {stack.api_url} --journal {stack.journal}
"""
