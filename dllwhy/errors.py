"""The one exception for a question that cannot be answered."""

from __future__ import annotations


class DiagnosisError(Exception):
    """A question that cannot be answered, told in one line.

    Args:
        message: what is in the way, and what to do about it.
    """

    def __init__(self, message: str):
        super().__init__(message)
        self.message = message
