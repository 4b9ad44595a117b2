"""Point in time: why a training row may hold only what was known at its moment.

Two models predict how long a delivery takes, from the same features. One learns from today's values, the other
from the values at dispatch. The first looks brilliant, until it has to predict a delivery that is just leaving.
"""

import asyncio
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_absolute_error, r2_score

from featurama import connect
from featurama_cli.world_writing import write_world
from featurama_world import LABEL, WorldConfig, generate

FEATURES = [
    "distance",
    "package_weight",
    "hazard_level",
    "estimated_duration",
    "destination.traffic_level",
    "destination.weather_index",
    "fuel_consumption",  # measured at arrival, and so is the next: at dispatch nobody knows them
    "delay_minutes",
]


async def main(folder: str) -> None:
    world = generate(WorldConfig(deliveries=2_000, days=60))
    labels = pd.concat([table.to_pandas() for table in world.labels()], ignore_index=True)
    async with connect(f"sqlite:///{folder}") as store:
        await write_world(store, world)

        # Wrong: the newest values of each delivery, joined to its label.
        newest = await store.get_online_features(labels["entity_id"].tolist(), FEATURES)
        # Right: the values as they were at each label's timestamp.
        as_of = await store.get_historical_features(labels, FEATURES)

    leaky, honest = newest.to_pandas()[FEATURES], as_of.to_pandas()[FEATURES]
    first = pd.DataFrame({"newest": leaky.iloc[0], "at dispatch": honest.iloc[0]})
    print(f"{labels['entity_id'][0]}, dispatched {labels['timestamp'][0]:%Y-%m-%d %H:%M}:\n{first}\n")

    target = labels[LABEL].to_numpy()
    train, test = np.arange(len(labels)) < 1_600, np.arange(len(labels)) >= 1_600  # the later rows test
    print("                                            MAE (h)      R2")
    for name, learnt in (("newest values", leaky), ("point in time", honest)):
        # At dispatch nothing is measured yet: such columns are empty, and a model cannot lean on them.
        known = learnt.columns[learnt.iloc[:1_600].notna().any()]
        model = HistGradientBoostingRegressor(max_iter=60, random_state=0).fit(learnt.loc[train, known], target[train])
        for where, rows in (("its own test rows", learnt), ("deliveries that are leaving", honest)):
            guess = model.predict(rows.loc[test, known])
            error, fit = mean_absolute_error(target[test], guess), r2_score(target[test], guess)
            print(f"{name:14} scored on {where:28} {error:6.2f}  {fit:6.3f}")
    print("\nThe first score is false: its features hold the answer. The second is what production would have seen.")


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        asyncio.run(main(folder))
