"""requests on a pool of threads, each with connections it keeps; see batches.py.

The number of threads comes last; by default it is what ThreadPoolExecutor took
for programs that wait: 5 for each processor.
"""
import concurrent.futures
import os
import sys
import threading

import requests
from batches import COUNT, URL, batches

THREADS = int(sys.argv[5]) if len(sys.argv) > 5 else 5 * os.cpu_count()
own = threading.local()


def get(url):
    if not hasattr(own, "session"):
        own.session = requests.Session()
        own.session.trust_env = False  # looks for proxies each time
    return own.session.get(url).content


with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
    for _ in batches:
        batches.count(list(pool.map(get, [URL] * COUNT)))
    batches.report()
