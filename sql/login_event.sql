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
-- * keeps at most 500 rows of a login role.
-- A client that calls itself by something that looks like a secret is kept as
-- "withheld".
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
-- What is there already must be a superuser's: another's trigger on the table,
-- or another's function of this name, would run with a superuser's rights.
DO $guard$ BEGIN
	IF EXISTS (SELECT FROM pg_catalog.pg_namespace n
			JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner
			WHERE n.nspname = 'keyturn_login' AND NOT r.rolsuper)
	   OR EXISTS (SELECT FROM pg_catalog.pg_namespace n
			JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
			JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
			WHERE n.nspname = 'keyturn_login' AND NOT r.rolsuper)
	   OR EXISTS (SELECT FROM pg_catalog.pg_namespace n
			JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid
			JOIN pg_catalog.pg_roles r ON r.oid = p.proowner
			WHERE n.nspname = 'keyturn_login' AND NOT r.rolsuper)
	   OR EXISTS (SELECT FROM pg_catalog.pg_namespace n
			JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
			JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid
			WHERE n.nspname = 'keyturn_login' AND NOT t.tgisinternal)
	THEN
		RAISE EXCEPTION 'schema keyturn_login, or what is in it, was not '
			'made by a superuser; see who made it, and drop it';
	END IF;
END $guard$;
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
	began timestamptz;
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
		IF app ~* '(passw|pwd|secret|token=|apikey|bearer|eyJ|://)' THEN
			app := 'withheld';
		END IF;
		-- Before the password was asked for: a change since then may
		-- have come after it was checked.
		SELECT a.backend_start INTO began
			FROM pg_stat_get_activity(pg_backend_pid()) a;
		IF began IS NULL THEN
			RETURN;
		END IF;
		UPDATE keyturn_login.noted s
			SET logins = s.logins + 1, last_at = began
			WHERE s.login = who AND s.address = host
			AND s.application = app;
		IF NOT FOUND AND (SELECT count(*) FROM (SELECT
				FROM keyturn_login.noted s WHERE s.login = who
				LIMIT 500) l) < 500 THEN
			INSERT INTO keyturn_login.noted
				VALUES (who, host, app, 1, began, began)
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
