"""What is done with a comment: pure rules over stored signals, without I/O, so that any decision can be replayed and
explained.
"""
