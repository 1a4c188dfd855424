"""Scores: from a comment's text to calibrated probabilities, and nothing else.

Pure computation over bundled files. Nothing here knows the database, the web or a site's policy.
"""
