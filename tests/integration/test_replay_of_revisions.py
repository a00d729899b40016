"""Yesterday's calls through another revision of the code: the change shows before it is shipped."""

import subprocess
from pathlib import Path

import pytest
from campaignctl.errors import CannotGoOn
from campaignctl.history import Range
from campaignctl.replaying import revisions

ROOT = Path(__file__).parents[2]
CALLS = Range(file=ROOT / "tests" / "replays" / "busy-until-exhausted.log.gz")
CAUSES = "services/dialer/src/dialer/domain/causes.py"


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of the repository, as if we ran from it."""
    git(tmp_path, "clone", "--quiet", "--shared", str(ROOT), "clone")
    monkeypatch.setattr(revisions, "_repository", lambda: tmp_path / "clone")
    return tmp_path / "clone"


def test_a_revision_that_decides_otherwise_is_told_apart_from_one_that_does_not(
    clone: Path,
) -> None:
    causes = clone / CAUSES
    causes.write_text(causes.read_text("utf-8").replace("486: Outcome.BUSY", "486: Outcome.FAILED"))
    git(clone, "commit", "--quiet", "--all", "-m", "Take busy for failed")
    changed = revisions.replayed_by("HEAD", CALLS)["differences"]
    assert {one["decision"] for one in changed} == {"settlement"}
    assert all("outcome" in one["differs_in"] for one in changed)
    same = revisions.replayed_by("HEAD~1", CALLS)
    assert same["differences"] == []
    assert same["decisions"]["settlement"] == len(changed)


@pytest.mark.usefixtures("clone")
def test_a_revision_that_is_none_is_refused() -> None:
    with pytest.raises(CannotGoOn, match="no revision nonsense"):
        revisions.replayed_by("nonsense", CALLS)
