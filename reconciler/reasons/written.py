"""A reason that was read back from a file: its code and its words, without the amounts that it had once."""

from __future__ import annotations

from reconciler.reasons.reason import Reason


class Written(Reason, frozen=True):
    """A reason as a Placement file has it: `word` is its code, `sentence` its text."""

    word: str
    sentence: str

    @property
    def code(self) -> str:
        """The code as it was written."""
        return self.word

    def _words(self) -> str:
        return self.sentence
