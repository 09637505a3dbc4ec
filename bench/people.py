"""Many people in a PostgreSQL at once: `python bench/people.py URL 1000000`.

They are written by the database itself, with what has gathered around them after a while: sessions,
identities, open and used proofs, letters, roles, what happened. `person77@example.org` is one of
them, and logs in with whatever password the hash is of. The schema has to be there, and nobody yet.
"""

import argparse
import asyncio
import sys
import time

from argon2 import PasswordHasher
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from vestibule.kernel.database_url import dialect_url

PASSWORD = "correct horse battery staple"

# As ours are made (RFC 9562): by time first, so that who came later stands later.
_ID = (
    "(lpad(to_hex((extract(epoch FROM {at}) * 1000)::bigint), 12, '0') || '7' || "
    "substr(md5({salt}), 1, 3) || '8' || substr(md5({salt}), 4, 15))::uuid"
)


def _id(at: str, salt: str) -> str:
    return _ID.format(at=at, salt=salt)


_STEPS = {
    "accounts": f"""
        INSERT INTO accounts (id, external_id, email, email_key, email_verified_at, username,
            username_key, password_hash, password_changed_at, given_name, family_name, profile,
            state, last_login_at, created_at, updated_at)
        SELECT {_id("at", "'account' || i")}, i::text, 'Person' || i || '@Example.org',
            'person' || i || '@example.org', at, 'person' || i, 'person' || i, :hash, at,
            'Given' || i % 5000, 'Family' || i % 20000, '{{}}',
            CASE WHEN i % 50 = 0 THEN 'disabled' ELSE 'active' END, at, at, at
        FROM generate_series(1, :count) AS i,
            LATERAL (SELECT now() - (:count - i) * interval '10 seconds') AS made(at)
    """,
    "grants": """
        INSERT INTO grants (account_id, role, granted_at)
        SELECT id, role, created_at FROM accounts, LATERAL (
            VALUES ('user'),
                (CASE external_id::int % 1000 WHEN 1 THEN 'editor' WHEN 2 THEN 'admin' END)
        ) AS given(role)
        WHERE role IS NOT NULL
    """,
    "sessions": f"""
        INSERT INTO sessions (id, account_id, audience, kind, secret_digest, generation, amr,
            auth_time, remember, ip, user_agent, created_at, seen_at, idle_until, expires_at,
            ended_at, end_reason)
        SELECT {_id("created_at", "'session' || external_id || which")}, id, 'native', 'cookie',
            decode(md5('1' || id || which) || md5('2' || id || which), 'hex'), 0, 'pwd', created_at,
            false, '192.0.2.1', 'Mozilla/5.0', created_at, now(), now() + interval '1 day',
            now() + interval '7 days', CASE which WHEN 2 THEN now() END,
            CASE which WHEN 2 THEN 'logged_out' END
        FROM accounts, generate_series(1, 2) AS which
    """,
    "identities": """
        INSERT INTO identities (issuer, subject, account_id, email, linked_at)
        SELECT 'https://accounts.google.com', external_id, id, email, created_at
        FROM accounts WHERE external_id::int % 5 = 0
    """,
    "challenges": f"""
        INSERT INTO challenges (id, purpose, account_id, email_key, address, handle_digest,
            token_digest, code_mac, code_expires_at, expires_at, created_at, used_at)
        SELECT {_id("created_at", "'challenge' || external_id")}, 'sign_up', NULL, email_key, email,
            decode(md5('3' || id) || md5('4' || id), 'hex'),
            decode(md5('5' || id) || md5('6' || id), 'hex'),
            decode('00000000' || md5('7' || id) || md5('8' || id), 'hex'),
            now() + interval '1 hour', now() + interval '1 day', now(),
            CASE WHEN external_id::int % 2 = 0 THEN now() END
        FROM accounts WHERE external_id::int % 5 = 0
    """,
    "letters": f"""
        INSERT INTO letters (id, kind, account_id, recipient, recipient_key, state, attempts,
            next_try_at, expires_at, created_at, sent_at)
        SELECT {_id("created_at", "'letter' || external_id")}, 'already_registered', id, email,
            email_key, CASE WHEN external_id::int % 500 = 0 THEN 'failed' ELSE 'sent' END, 1,
            created_at, now() + interval '1 day', created_at, created_at
        FROM accounts WHERE external_id::int % 5 = 0
    """,
    "audit_entries": f"""
        INSERT INTO audit_entries (id, at, event, account_id)
        SELECT {_id("created_at", "event || external_id")}, created_at, event, id
        FROM accounts, (VALUES ('account.opened'), ('address.proved'), ('login.succeeded'))
            AS told(event)
    """,
    "audit_details": """
        INSERT INTO audit_details (entry_id, address, user_agent)
        SELECT id, '192.0.2.1', 'Mozilla/5.0' FROM audit_entries
    """,
}


async def fill(url: str, count: int, *, password_hash: str, tell: bool = False) -> None:
    """Write `count` people into an empty database that has the schema.

    Args:
        password_hash: everybody's.
    """
    engine = create_async_engine(dialect_url(url), isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            for table, statement in _STEPS.items():
                began = time.monotonic()
                given = {"count": count, "hash": password_hash}
                named = {name: each for name, each in given.items() if f":{name}" in statement}
                await connection.execute(text(statement), named)
                if tell:
                    print(f"{table:<14} {time.monotonic() - began:6.1f} s")
            # With what a database knows of itself after a while.
            await connection.execute(text("VACUUM ANALYZE"))
    finally:
        await engine.dispose()


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("url")
    asked.add_argument("count", type=int)
    wanted = asked.parse_args()
    asyncio.run(
        fill(wanted.url, wanted.count, password_hash=PasswordHasher().hash(PASSWORD), tell=True)
    )
    sys.exit(0)
