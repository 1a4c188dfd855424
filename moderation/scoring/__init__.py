"""Scores: from a comment's text to calibrated probabilities, and nothing else.

Pure computation over bundled files. Nothing here knows the database, the web or a site's policy.
"""

import os

# ONNX Runtime reports its use to its maker by default (seen in 1.32): it keeps an id of the machine in the home and sends what it
# gathered. Nothing of ours tells anybody that it runs. The library looks when it is loaded, so this stands before its imports.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
