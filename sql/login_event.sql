-- SPDX-License-Identifier: PostgreSQL
-- Notes who logs in, for keyturn adoption: PostgreSQL 17 and later, optional.
-- Run it as a superuser, in each database that consumers log in to, with the
-- name of keyturn's administrator:
--
--     psql -X -v admin=keyturn_admin -d DATABASE -f login_event.sql
--
-- It can be run again.  To take it away:
--
--     DROP EVENT TRIGGER keyturn_login; DROP SCHEMA keyturn_login CASCADE;
--
-- An event trigger on login runs inside each login, so this one
-- * waits for no lock longer than 50 ms, and for no disk and no standby: the
--   table is unlogged, and its commit asynchronous;
-- * catches every error, a cancelled query too, and then notes nothing;
-- * does nothing on a standby, in a transaction that is read-only by default,
--   or serializable by default, whose commit could fail;
-- * keeps at most 10,000 rows.
-- What it does not note is not seen by keyturn, which never says "not used".
-- Should anything about it ever go wrong: event_triggers = off, in
-- postgresql.conf, switches it off.
\set ON_ERROR_STOP on
\if :{?admin}
\else
DO $$ BEGIN RAISE EXCEPTION
	'name the administrator of keyturn: psql -v admin=NAME'; END $$;
\endif

BEGIN;
CREATE SCHEMA IF NOT EXISTS keyturn_login;
REVOKE ALL ON SCHEMA keyturn_login FROM PUBLIC;

CREATE UNLOGGED TABLE IF NOT EXISTS keyturn_login.noted (
	login oid NOT NULL,
	address text NOT NULL,     -- '' for a Unix socket
	application text NOT NULL, -- what the client says
	logins bigint NOT NULL,
	first_at timestamptz NOT NULL,
	last_at timestamptz NOT NULL,
	PRIMARY KEY (login, address, application)
) WITH (fillfactor = 50);
REVOKE ALL ON keyturn_login.noted FROM PUBLIC;

CREATE OR REPLACE FUNCTION keyturn_login.note() RETURNS event_trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET lock_timeout = '50ms'
AS $note$
DECLARE
	who oid;
	host text;
	app text;
BEGIN
	IF pg_is_in_recovery() THEN
		RETURN;
	END IF;
	-- Outside of the block below: it is for the commit, which comes later.
	PERFORM set_config('synchronous_commit', 'off', true);
	BEGIN
		IF current_setting('transaction_read_only') <> 'off' OR
		   current_setting('transaction_isolation') = 'serializable' THEN
			RETURN;
		END IF;
		SELECT r.oid INTO who FROM pg_roles r
			WHERE r.rolname = session_user AND NOT r.rolsuper;
		IF who IS NULL THEN
			RETURN;
		END IF;
		host := coalesce(host(inet_client_addr()), '');
		app := coalesce(left(current_setting('application_name'), 64), '');
		UPDATE keyturn_login.noted s
			SET logins = s.logins + 1, last_at = clock_timestamp()
			WHERE s.login = who AND s.address = host
			AND s.application = app;
		IF NOT FOUND AND (SELECT count(*) FROM (SELECT
				FROM keyturn_login.noted LIMIT 10000) l) < 10000 THEN
			INSERT INTO keyturn_login.noted
				VALUES (who, host, app, 1, clock_timestamp(),
					clock_timestamp())
				ON CONFLICT DO NOTHING;
		END IF;
	EXCEPTION WHEN OTHERS OR QUERY_CANCELED OR ASSERT_FAILURE THEN
		NULL;
	END;
END
$note$;

DROP EVENT TRIGGER IF EXISTS keyturn_login;
CREATE EVENT TRIGGER keyturn_login ON login EXECUTE FUNCTION keyturn_login.note();

GRANT USAGE ON SCHEMA keyturn_login TO :"admin";
GRANT SELECT ON keyturn_login.noted TO :"admin";
COMMIT;
