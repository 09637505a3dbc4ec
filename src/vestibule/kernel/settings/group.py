"""What every group of settings has: where its fields are read from, and the mode."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic_settings import BaseSettings, SettingsConfigDict

from vestibule.kernel.settings.values import Problems

PREFIX = "VESTIBULE_"


class Group(BaseSettings):
    """Some of the settings; `Settings` is all groups in one object.

    A setting is a field and a paragraph: what it means, and what changing it costs.
    """

    title: ClassVar[str]

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    mode: Literal["development", "production"] = "development"
    """`development` needs nothing and is for one machine: SQLite and keys under the data
    directory, letters in a mailbox of its own, http. `production` refuses to start unless the
    settings say where it runs: base URL, database, secrets, mail."""

    data_dir: Path = Path("data")
    """Where development keeps its database, secrets and letters; made with access for its owner
    only."""

    def problems(self) -> Problems:
        """Yield each field that keeps this from starting, and what to do about it."""
        raise NotImplementedError

    @property
    def in_development(self) -> bool:
        return self.mode == "development"
