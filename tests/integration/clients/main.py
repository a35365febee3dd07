# SPDX-License-Identifier: PostgreSQL
"""psycopg, its pool and SQLAlchemy as docs/clients.md sets them up: a line of
standard input says what to log in with, and the answer is the server's."""

import sys

from sqlalchemy import text

import keyturn_pool
import keyturn_psycopg
import keyturn_sqlalchemy

QUERY = "select current_user || ' ' || pg_backend_pid()"


def connect():
    with keyturn_psycopg.connect() as c:
        return c.execute(QUERY).fetchone()[0]


def pool():
    with keyturn_pool.pool.connection() as c:
        return c.execute(QUERY).fetchone()[0]


def engine():
    with keyturn_sqlalchemy.engine.connect() as c:
        return c.execute(text(QUERY)).scalar_one()


def dispose():
    keyturn_sqlalchemy.engine.dispose()
    return "done"


keyturn_pool.start()
for line in sys.stdin:
    print({"connect": connect, "pool": pool, "engine": engine,
           "dispose": dispose}[line.strip()](), flush=True)
keyturn_pool.pool.close()
