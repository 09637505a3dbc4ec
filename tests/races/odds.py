"""Even odds for races, on any machine and under any load."""

import random


class Odds:
    """Holds the side back that won, by more each time it wins again, until the other one does."""

    def __init__(self) -> None:
        self._held_back = 0.0  # seconds; below zero it is the second side
        self._step = 0.0
        self._first_won: bool | None = None
        self.wins = [0, 0]

    @property
    def were_even(self) -> bool:
        """Whether each side won at least once."""
        return all(self.wins)

    def waits(self) -> tuple[float, float]:
        """Return the seconds that the first side and the second wait before they begin."""
        first, second = random.uniform(0, 0.012), random.uniform(0, 0.012)
        return first + max(0.0, self._held_back), second + max(0.0, -self._held_back)

    def told(self, *, first_won: bool) -> None:
        again = first_won == self._first_won
        self._step = min(self._step * 2, 0.5) if again else 0.002
        self._held_back += self._step if first_won else -self._step
        self._first_won = first_won
        self.wins[not first_won] += 1
