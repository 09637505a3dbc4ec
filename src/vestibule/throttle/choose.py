"""Where the settings say that attempts are counted."""

from vestibule.kernel.counting import Counters
from vestibule.kernel.database import Database
from vestibule.kernel.errors import CannotStart
from vestibule.kernel.settings import Settings
from vestibule.throttle.fallback import Fallback
from vestibule.throttle.in_database import InDatabase


def choose(settings: Settings, database: Database) -> Counters:
    """Return the counters to use.

    Raises:
        CannotStart: as `in_redis`.
    """
    in_database = InDatabase(database)
    redis = in_redis(settings)
    return in_database if redis is None else Fallback(redis, in_database)


def in_redis(settings: Settings) -> Counters | None:
    """Return the counters in Redis, without asking it anything; None where the settings name none.

    Raises:
        CannotStart: what it takes is not installed, or the URL is none.
    """
    if settings.redis_url is None:
        return None
    try:
        from vestibule.throttle.in_redis import InRedis  # noqa: PLC0415 - an extra brings its client

        return InRedis(settings.redis_url.get_secret_value())
    except ImportError:
        needed = "needs what the extra brings: pip install 'vestibule[redis]'"
    except ValueError:  # never its words: the password may stand in them
        needed = "cannot be read; see docs/settings.md"
    raise CannotStart(f"VESTIBULE_REDIS_URL: {needed}")
