"""eddy.fetch() from a program that waits; see batches.py."""
import eddy
from batches import COUNT, URL, batches

for _ in batches:
    answers = eddy.gather([eddy.fetch(URL) for _ in range(COUNT)])
    batches.count([answer.content for answer in answers])
batches.report()
