"""The lines of the how-to pages are run as they stand."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.campaign_manager.conftest import Client, Engine

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl"),
]

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "rules.md"
LINES = re.compile(r"^    (curl .*(?:\n      .*)*)", re.MULTILINE)


async def test_the_lines_about_rules_work(stranger: Client, engine: Engine) -> None:
    campaign = await stranger.campaign()
    given = {
        "API": f"{engine.base_url}/v1.0",
        "TOKEN": stranger.params["token"],
        "CAMPAIGN": campaign["id"],
        "OUTPLAN": campaign["outplan_id"],
        "LIST": (await stranger.post("/donotcalls", {"name": "list"}))["id"],
    }
    answers = []
    for line in LINES.findall(PAGE.read_text(encoding="utf-8")):
        ran = await asyncio.create_subprocess_exec(
            "sh", "-c", line.replace("curl ", "curl --silent --noproxy '*' ", 1),
            stdout=asyncio.subprocess.PIPE, env={**os.environ, **given},
        )  # fmt: skip
        out, _ = await ran.communicate()
        answers.append(json.loads(out))
        assert "error" not in answers[-1], (line, answers[-1])
    assert len(answers) == 10
    assert {"added": 2} in answers
    assert {"removed": 1} in answers
    shown = await stranger.get(f"/campaigns/{campaign['id']}")
    assert len(shown["calling_hours"]) == 2
    assert shown["calling_zone"] == "America/New_York"
    assert shown["attempts_per_number_week"] == 7
