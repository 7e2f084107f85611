"""The commands."""

import gc

# What a command makes on its way hardly goes in circles; a look for them after every 700 objects costs milliseconds.
gc.set_threshold(50_000, 20, 20)
