"""What the processes of test_process.py's pools run: they import it."""
import eddy


def status_of(url):
    return eddy.fetch(url).wait(20).status
