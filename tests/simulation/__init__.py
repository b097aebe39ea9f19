"""The real engine against both platforms' state machines, under a virtual clock, driven by a seed.

One schedule is a short list of steps: people edit and create, calls fail, workers run step by step, die, and take over
from each other. After it, time passes and rounds run until all is quiet; then the promises are asked of what stands in
both platforms, of the database, and of a ledger that has seen every value come and go.
"""

import os

SCHEDULES = int(os.environ.get("SCHEDULES", "1000"))
