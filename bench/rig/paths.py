"""Where things are. `build` is set once, from the command line."""
import pathlib

BENCH = pathlib.Path(__file__).resolve().parent.parent
ROOT = BENCH.parent
PEERS = BENCH / "peers"
RESULTS = ROOT / "build" / "bench"
RUN = RESULTS / "run"  # what servers read and write: configurations, logs

build = ROOT / "build" / "release"


def shown(path):
    """A path as a reader standing in the repository would type it."""
    try:
        return str(pathlib.Path(path).relative_to(ROOT))
    except ValueError:
        return str(path)
