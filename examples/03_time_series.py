"""Time series: the history of a feature, readings that arrive late, corrections, and what was known when.

Featurama keeps two times for every value: when it was true (event time), and since when it is known (ingest time).
The store's clock is ours here, so that three days pass in a moment.
"""

from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory

from featurama import sync

MARS = "planet_mars"


class Clock:
    """The store's wall clock: nanoseconds since 1970 UTC."""

    def __init__(self, now: str) -> None:
        self.now = datetime.fromisoformat(now).astimezone(UTC)

    def __call__(self) -> int:
        return int(self.now.timestamp()) * 1_000_000_000

    def forward(self, **time: float) -> None:
        self.now += timedelta(**time)


def write(store: sync.FeatureStore, readings: dict[str, float]) -> None:
    """Readings of Mars by their event time."""
    frame = {"entity_id": [MARS] * len(readings), "timestamp": [*readings], "traffic_level": [*readings.values()]}
    report = store.write_features(frame)
    assert report.accepted == len(readings), report


def main(folder: str) -> None:
    clock = Clock("2026-01-05T12:00:00Z")
    with sync.connect(f"sqlite:///{folder}", clock=clock) as store:
        store.register_feature("traffic_level", "double")

        # Monday noon: the morning's readings. The probe of ten o'clock is silent.
        write(store, {f"2026-01-05T{hour:02}:00:00Z": hour / 20 for hour in (8, 9, 11)})
        monday = clock.now

        clock.forward(days=1)  # Tuesday: the reading of ten o'clock arrives, a day late.
        write(store, {"2026-01-05T10:00:00Z": 0.95})
        tuesday = clock.now

        clock.forward(days=1)  # Wednesday: the reading of nine o'clock was wrong, and is corrected.
        write(store, {"2026-01-05T09:00:00Z": 0.10})
        clock.forward(hours=1)

        print("The history, newest first; one winner per event time:")
        print(store.get_feature_history(MARS, "traffic_level").to_pandas().to_string(index=False))
        print("\nThe same with all corrections:")
        everything = store.get_feature_history(MARS, "traffic_level", corrections=True)
        print(everything.to_pandas().to_string(index=False))
        print("\nTwo hours of it:")
        morning = store.get_feature_history(MARS, "traffic_level", "2026-01-05T09:00:00Z", "2026-01-05T10:00:00Z")
        print(morning.to_pandas()[["timestamp", "value"]].to_string(index=False))

        print("\nWhat was the traffic at 09:30 and 10:30? It depends on when one asks:")
        asked = {"entity_id": [MARS, MARS], "timestamp": ["2026-01-05T09:30:00Z", "2026-01-05T10:30:00Z"]}
        for day, known_at in (("Monday", monday), ("Tuesday", tuesday), ("today", None)):
            # A moment later than the write's: what was ingested at noon was known a second later.
            moment = known_at and known_at + timedelta(seconds=1)
            then = store.get_historical_features(asked, ["traffic_level"], known_at=moment).to_dict()
            print(f"  known {day:8} {then['traffic_level']}")
        print("A model trained on Monday is reproduced with known_at, whatever was corrected since.")


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        main(folder)
