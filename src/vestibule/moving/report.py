"""What an import did, or would do."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from vestibule.moving.formats import label_of
from vestibule.moving.people import Newcomer, Problem

_SHOWN = 20


@dataclass
class Report:
    """Counts as rows are read, and every problem."""

    read: int = 0
    came: int = 0
    were_here: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    roles: Counter[str] = field(default_factory=Counter)
    shut: int = 0
    not_proved: int = 0
    problems: list[Problem] = field(default_factory=list)
    _emails: dict[str, str] = field(default_factory=dict)
    _usernames: dict[str, str] = field(default_factory=dict)
    _ids: set[str] = field(default_factory=set)

    def takes(self, newcomer: Newcomer | None, problems: Iterable[Problem]) -> bool:
        """Count a row; tell whether it may come as far as the source itself tells."""
        self.read += 1
        self.problems += problems
        if newcomer is None:
            return False
        key = newcomer.address.key if newcomer.address else None
        place = newcomer.place
        for of, value, known in (
            ("email", key, self._emails),
            ("username", newcomer.username_key, self._usernames),
        ):
            if value is not None and value in known:
                reason = f"is the same as that of {known[value]}, as we compare them"
                self.problems.append(Problem(place, newcomer.external_id, of, reason))
                return False
        if newcomer.external_id in self._ids:
            reason = "stands in the source twice"
            self.problems.append(Problem(place, newcomer.external_id, "id", reason))
            return False
        self._ids.add(newcomer.external_id)
        if key is not None:
            self._emails[key] = place
        if newcomer.username_key is not None:
            self._usernames[newcomer.username_key] = place
        hashed = newcomer.password_hash
        self.formats["no password" if hashed is None else label_of(hashed)] += 1
        self.roles.update(newcomer.roles)
        self.shut += not newcomer.active
        self.not_proved += newcomer.address is not None and not newcomer.proved
        return True

    def lines(self, *, dry: bool, unknown_roles: Iterable[str]) -> Iterator[str]:
        """Tell it to somebody at a prompt."""
        left_out = sum(each.left_out for each in self.problems)
        yield f"{self.read} read"
        yield f"{self.came} {'would come' if dry else 'came'}"
        yield f"{self.were_here} {'are here' if dry else 'were here'} already"
        yield f"{left_out} {'would be' if dry else 'were'} left out"
        for label, count in self.formats.most_common():
            yield f"  password  {label:<28} {count}"
        for role, count in self.roles.most_common():
            yield f"  role      {role:<28} {count}"
        if self.shut:
            yield f"{self.shut} are shut there, and come disabled"
        if self.not_proved:
            yield (
                f"{self.not_proved} have an address that is not proved, and log in once a reset of "
                "their password has proved it (--verified all vouches for them)"
            )
        for role in unknown_roles:
            yield f"nobody is made {role}: there is no such role here (--role {role}=OURS names it)"
        for problem in self.problems[:_SHOWN]:
            what = "left out" if problem.left_out else "without it"
            called = f" (id {problem.external_id})" if problem.external_id else ""
            yield f"  {problem.place}{called}: {problem.field} {problem.reason}; {what}"
        if len(self.problems) > _SHOWN:
            yield f"  … and {len(self.problems) - _SHOWN} more (--problems FILE lists them all)"
