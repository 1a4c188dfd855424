"""Patterns run on RE2 only, ours like the operators': matching is linear in the text, whatever the pattern and whoever
wrote either.

RE2 writes its own complaints to standard error, where they would hold the text; that is switched off and the complaint
comes as an exception.
"""

from typing import Any, Final

import re2

MEMORY: Final = 8 << 20
"""Bytes that one pattern's automaton may take."""


class PatternRefused(Exception):
    """RE2 cannot use a pattern; the message says why, in RE2's words. Look-around, back-references and counts above 1,000 are
    refused.
    """


def compile_pattern(pattern: str, *, any_case: bool = False) -> Any:
    """Compile ``pattern``; raise ``PatternRefused`` where RE2 does not take it."""
    options = re2.Options()
    options.max_mem = MEMORY
    options.log_errors = False
    options.never_nl = True
    options.case_sensitive = not any_case
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raw = error.args[0] if error.args else "not a pattern"
        raise PatternRefused(raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)) from error
