"""The lines of a metric as its registry row holds them now, and the judgement by them."""

from dataclasses import dataclass
from decimal import Decimal

from heartbeat.metric import Direction, Kind
from heartbeat.status import Band, Judgement, judge


@dataclass(frozen=True, kw_only=True)
class RegisteredLines:
    """The columns of `metric_registry` that decide a status."""

    unit: str
    direction: str
    kind: str
    norm_value: Decimal | None
    alert_value: Decimal | None
    target_value: Decimal | None
    amber_z: float
    red_z: float
    benchmark_mean: float | None
    benchmark_stddev: float | None
    benchmark_n: int | None

    @property
    def typical(self) -> Band | None:
        """The benchmark's band, for a metric that keeps one."""
        mean, stddev, n = self.benchmark_mean, self.benchmark_stddev, self.benchmark_n
        if self.kind != Kind.ROLLING_STAT or mean is None or stddev is None or n is None:
            return None
        return Band(mean, stddev, n)

    def judge(self, value: Decimal) -> Judgement:
        """What the value means by these lines."""
        return judge(
            value,
            direction=Direction(self.direction),
            norm_value=self.norm_value,
            alert_value=self.alert_value,
            target_value=self.target_value,
            band=self.typical,
            amber_z=self.amber_z,
            red_z=self.red_z,
            unit=self.unit,
        )
