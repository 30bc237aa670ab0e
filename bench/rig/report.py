"""What one benchmark has to say, for people and for programs."""
import json

from . import machine, paths, table


class Report:
    """A table with its provenance; everything else it knows is in `data`."""

    def __init__(self, name, title, options):
        self.name = name
        self.title = title
        self.data = {
            "benchmark": name,
            "title": title,
            "command": options.command,
            "date": machine.now(),
            "machine": machine.describe(),
            "rounds": options.rounds,
            "seconds": options.seconds,
            "versions": {},
            "rows": [],
            "skipped": {},
            "doubts": [],
            "bars": [],
            "raw": {},
        }
        self.columns = []
        self.lines = []

    def skip(self, name, reason):
        self.data["skipped"][name] = reason

    def bar(self, what, value, limit, unit):
        """States a goal of the project and whether this run met it."""
        self.data["bars"].append(
            {
                "what": what,
                "value": value,
                "limit": limit,
                "unit": unit,
                "met": value <= limit,
            }
        )

    def text(self):
        data = self.data
        parts = [self.title, ""]
        if self.lines:
            parts += [table.render(self.columns, self.lines), ""]
        for bar in data["bars"]:
            verdict = "met" if bar["met"] else "MISSED"
            parts.append(
                f"eddy's bar: {bar['what']} at most {bar['limit']:g}"
                f"{bar['unit']}; measured {bar['value']:.3g}: {verdict}"
            )
        if data["bars"]:
            parts.append("")
        parts += [f"{n}: {why}, skipped" for n, why in data["skipped"].items()]
        parts += [f"careful: {doubt}" for doubt in data["doubts"]]
        parts += self._provenance()
        return "\n".join(parts)

    def _provenance(self):
        data, host = self.data, self.data["machine"]
        versions = [f"{n} {v}" for n, v in data["versions"].items() if v]
        runs = []
        if data["rounds"]:
            many = "one round"
            if data["rounds"] > 1:
                many = f"{data['rounds']} interleaved rounds"
            each = f" of {data['seconds']:g} s" if data["seconds"] else ""
            runs = [many + each]
        return [
            f"{data['date']}  {data['command']}",
            *runs,
            f"{host['cpu']}, {host['cpus']} processors, Linux "
            f"{host['kernel']}, load at start {host['load_at_start']}",
            *([", ".join(versions)] if versions else []),
        ]

    def save(self):
        paths.RESULTS.mkdir(parents=True, exist_ok=True)
        path = paths.RESULTS / self.name
        path.with_suffix(".txt").write_text(self.text() + "\n")
        path.with_suffix(".json").write_text(json.dumps(self.data, indent=2))

    def row(self, name):
        rows = self.data["rows"]
        return next((r for r in rows if r.get("server") == name), None)
