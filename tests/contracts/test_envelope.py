"""The envelope: identity follows from what is said, absent attributes stay away."""

import json
from datetime import UTC, datetime

from contracts.call import CallHangUp
from contracts.envelope import Envelope, wrap
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
TEXTS = st.text(max_size=20)


@given(TEXTS, TEXTS, st.integers(0, 2**53), st.datetimes(timezones=st.just(UTC)))
def test_an_envelope_survives_its_journey(
    subject: str, story: str, sequence: int, at: datetime
) -> None:
    envelope = wrap(
        CallHangUp(attempt_id=subject),
        source="flow-runner",
        subject=subject,
        sequence=sequence,
        at=at,
        customer_id="customer",
        correlation_id=story,
    )
    assert Envelope[CallHangUp].model_validate_json(envelope.encode()) == envelope


def test_the_same_said_again_has_the_same_id_and_what_is_absent_is_not_sent() -> None:
    first, again = (
        wrap(
            CallHangUp(attempt_id="a"), source="s", subject="a", sequence=3, at=NOON, customer_id=""
        )
        for _ in range(2)
    )
    assert first.id == again.id == "s/a/3"
    assert first.correlation_id == "a", "the subject is its own story"
    assert {"causationid", "traceparent"} & json.loads(first.encode()).keys() == set()
