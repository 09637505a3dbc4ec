"""What every error is a kind of."""

from typing import ClassVar


class VestibuleError(Exception):
    """Base of every error raised here on purpose; `code` is public API and never changes."""

    code: ClassVar[str]


class Refusal(VestibuleError):
    """The answer is no, and what was written while finding out is kept.

    A failed log-in must still be recorded, so a unit commits on its way out.
    """


class BadInput(VestibuleError):
    """The request itself is at fault; sending it again will not help."""


class TryLater(VestibuleError):
    """Nothing is wrong with the request; send it again in `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"try again in {retry_after} s")
        self.retry_after = retry_after


class CannotStart(Exception):
    """Why nothing is served: a line for each problem, saying what to do, never a secret."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
