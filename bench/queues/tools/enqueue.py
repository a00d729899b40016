"""Put items into a queue: `python enqueue.py MODULE COUNT`."""

import sys
from importlib import import_module

import_module(sys.argv[1]).enqueue(int(sys.argv[2]))
