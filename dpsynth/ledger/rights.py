"""Rights on a PostgreSQL server: the owner of the tables migrates, the service only works with them."""

from __future__ import annotations

import re

from sqlalchemy import Connection, inspect, text

from dpsynth.core.errors import BadInput

__all__ = ["grant_service"]

_ROLE = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_NEVER = {
    "entry": "UPDATE, DELETE",
    "head": "INSERT, DELETE",
    "alembic_version": "INSERT, UPDATE, DELETE",
    "scope": "DELETE",
    "balance": "DELETE",
    "charge": "DELETE",
    "attempt": "DELETE",
    "person": "DELETE",
    "dataset": "DELETE",
    "policy_change": "DELETE",
    "request": "DELETE",
    "decision": "UPDATE, DELETE",
    "extension": "DELETE",
    "extension_signature": "UPDATE, DELETE",
    "withdrawal": "UPDATE, DELETE",
    "policy_text": "UPDATE, DELETE",
}
"""What the service has no need of, by table."""


def grant_service(connection: Connection, role: str) -> None:
    """Give a role the rights that the service needs and no more, making it first if it is not there.

    A new role may log in and has no password: how it signs in is the server's administrator's to say. Tables
    that a later migration makes are covered too. Raises BadInput for a name that is none.
    """
    if not _ROLE.fullmatch(role):
        raise BadInput(
            "The name of a database role cannot be used",
            allowed="lower-case letters, digits and underscores",
            remedy="choose another name",
        )
    there = text("SELECT 1 FROM pg_roles WHERE rolname = :role")
    if connection.execute(there, {"role": role}).first() is None:
        connection.execute(text(f"CREATE ROLE {role} LOGIN"))
    whole = "SELECT, INSERT, UPDATE, DELETE"
    for statement in (
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"GRANT {whole} ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {whole} ON TABLES TO {role}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO {role}",
    ):
        connection.execute(text(statement))
    names = set(inspect(connection).get_table_names())
    for table, verbs in _NEVER.items():
        if table in names:
            connection.execute(text(f"REVOKE {verbs} ON {table} FROM {role}"))
