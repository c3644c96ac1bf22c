"""Write the scores of each validation into a table that a spreadsheet opens."""

import csv
from pathlib import Path

from kanatui import Observer, Text, hookimpl


class Starter(Observer):
    id = "starter"
    file = Text("scores.csv", help="name of the table in the run's folder")

    def event(self, run, event):
        if event["event"] != "validation" or "held_out" not in event:
            return
        scores = event["held_out"]
        path = Path(run["path"]) / self.file
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as table:
            writer = csv.writer(table)
            if new:
                writer.writerow(["step", "loss", "strict", "folded"])
            writer.writerow([event["step"], *(scores[key] for key in ("loss", "strict", "folded"))])


@hookimpl
def kanatui_observers():
    return [Starter]
