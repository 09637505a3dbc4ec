"""Requests made from our own description: of the shape that it asks for, and of every other."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any  # Any: schemathesis asks for what its types hold

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from tests.fuzz.document import Promised

AnyCase = Case[Any]
Operation = APIOperation[Any, Any, Any, Any]


class Shapes:
    """A service that is asked what its description invites to."""

    def __init__(self, base_url: str, promised: Promised, headers: Mapping[str, str]) -> None:
        self._schema = schemathesis.openapi.from_url(f"{base_url}/openapi.json")
        self._promised = promised
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update(headers)
        self.statuses: Counter[int] = Counter()
        self.wrong: list[str] = []

    def close(self) -> None:
        self._session.close()

    def operations(self) -> list[Operation]:
        return [found.ok() for found in self._schema.get_all_operations() if isinstance(found, Ok)]

    def storm(self, operation: Operation, cases: int, *, cookie: str) -> None:
        """Send about so many, half of them as they should be, half not."""
        for mode in GenerationMode:
            self._storm(operation, mode, cases // 2, cookie)

    def _storm(self, operation: Operation, mode: GenerationMode, cases: int, cookie: str) -> None:
        @given(case=operation.as_strategy(mode))
        @settings(
            max_examples=cases,
            database=None,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: AnyCase) -> None:
            self._ask(case, cookie)

        with suppress(Unsatisfiable):  # where no field is taken, none can be wrong
            ask()

    def _ask(self, case: AnyCase, cookie: str) -> None:
        signed_in = {"Cookie": cookie} if sum(self.statuses.values()) % 3 else {}
        answer = case.call(session=self._session, headers=signed_in)
        self._session.cookies.clear()
        self.statuses[answer.status_code] += 1
        headers = {name: ", ".join(said) for name, said in answer.headers.items()}
        wrong = self._promised.judge(
            case.method, case.formatted_path, answer.status_code, headers, answer.content
        )
        if wrong:
            self.wrong.append(f"{wrong}: {case.as_curl_command()}")
