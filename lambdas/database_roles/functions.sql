-- What gantry_rotator may call, and it may do nothing else. Since PostgreSQL 16 changing another role's password
-- takes CREATEROLE, which would also let it make roles; these functions lend it the master user's right for the
-- application's two roles alone. They are in a database that the application cannot log in to, and their search
-- path is fixed all the same.

CREATE OR REPLACE FUNCTION gantry.require_application_role(target text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    IF target IS NULL OR target NOT IN (:login_roles) THEN
        RAISE EXCEPTION '% is not a role of the application', target;
    END IF;
END $body$;

-- A role may change its own settings, and what one of the pair was set to would be found a rotation later. What it
-- acts as (`role`) PostgreSQL lets no such function set: who sets the password sees to that.
CREATE OR REPLACE FUNCTION gantry.set_password(target text, verifier text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    place name;
    setting text;
    -- Half of what there is for each of the two, so that a stolen log-in never fills all connections: the rest is
    -- for the rotator, the master user and those who look.
    most integer := greatest(1, (current_setting('max_connections')::integer - 20) / 2);
BEGIN
    PERFORM gantry.require_application_role(target);
    IF verifier IS NULL OR verifier NOT LIKE 'SCRAM-SHA-256$%' THEN
        RAISE EXCEPTION 'the password must be given as a SCRAM-SHA-256 verifier';
    END IF;
    FOR place, setting IN
        SELECT datname, split_part(each, '=', 1)
        FROM pg_db_role_setting LEFT JOIN pg_database ON pg_database.oid = setdatabase, unnest(setconfig) AS each
        WHERE setrole = (SELECT oid FROM pg_roles WHERE rolname = target)
    LOOP
        IF setting <> 'role' THEN
            EXECUTE format(
                'ALTER ROLE %I %s RESET %I',
                target, CASE WHEN place IS NOT NULL THEN format('IN DATABASE %I', place) END, setting
            );
        END IF;
    END LOOP;
    -- Of the roles rather than of their sessions: a proxy pins each session that sets something.
    EXECUTE format('ALTER ROLE %I SET statement_timeout = %L', target, :statement_timeout);
    EXECUTE format('ALTER ROLE %I LOGIN PASSWORD %L CONNECTION LIMIT %s', target, verifier, most);
END $body$;

CREATE OR REPLACE FUNCTION gantry.retire(target text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    PERFORM gantry.require_application_role(target);
    EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', target);
END $body$;

-- Apart from the former, because it must run when no one can log in any more, which is after a commit; and on each
-- instance, since an instance knows its own sessions alone.
CREATE OR REPLACE FUNCTION gantry.end_sessions(target text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    PERFORM gantry.require_application_role(target);
    IF (SELECT rolcanlogin FROM pg_roles WHERE rolname = target) THEN
        RAISE EXCEPTION '% is not retired', target;
    END IF;
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = target;
END $body$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA gantry FROM PUBLIC;
GRANT USAGE ON SCHEMA gantry TO :rotator;
GRANT EXECUTE ON FUNCTION gantry.set_password(text, text), gantry.retire(text), gantry.end_sessions(text)
    TO :rotator;
