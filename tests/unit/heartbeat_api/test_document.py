"""JSON as programs read it."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from heartbeat.metrics.metric_rows import DayValue
from heartbeat_api.document import DocumentResponse


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param(Decimal("124"), 124, id="whole decimal"),
        pytest.param(Decimal("0.005"), 0.005, id="fraction"),
        pytest.param(Decimal("1E+3"), 1000, id="decimal with an exponent"),
        pytest.param(Decimal("1E+20"), 1e20, id="decimal beyond 64 bits"),
        pytest.param(date(2026, 5, 20), "2026-05-20", id="day"),
        pytest.param(
            datetime(2026, 5, 20, 12, tzinfo=UTC), "2026-05-20T12:00:00+00:00", id="moment"
        ),
        pytest.param(
            DayValue(date(2026, 5, 20), Decimal("1.5")),
            {"d": "2026-05-20", "v": 1.5},
            id="dataclass",
        ),
        pytest.param(("a", None), ["a", None], id="tuple"),
    ],
)
def test_domain_values_become_plain_json(value: object, written: object) -> None:
    assert json.loads(bytes(DocumentResponse({"it": value}).body)) == {"it": written}


@pytest.mark.parametrize("value", [object(), Decimal("NaN"), Decimal("-Infinity")])
def test_a_value_that_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        DocumentResponse({"it": value})
