-- What gantry_rotator may call, and it may do nothing else. Since PostgreSQL 16 changing another role's password
-- takes CREATEROLE, which would also let it make roles; these functions lend it the master user's right for the
-- application's two roles alone. Their search path is fixed, so that nobody can put another function in the way.

CREATE OR REPLACE FUNCTION gantry.require_application_role(target text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    IF target IS NULL OR target NOT IN ('app_a', 'app_b') THEN
        RAISE EXCEPTION '% is not a role of the application', target;
    END IF;
END $body$;

CREATE OR REPLACE FUNCTION gantry.admit(target text, verifier text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    PERFORM gantry.require_application_role(target);
    IF verifier IS NULL OR verifier NOT LIKE 'SCRAM-SHA-256$%' THEN
        RAISE EXCEPTION 'the password must be given as a SCRAM-SHA-256 verifier';
    END IF;
    EXECUTE format('ALTER ROLE %I LOGIN PASSWORD %L', target, verifier);
END $body$;

CREATE OR REPLACE FUNCTION gantry.retire(target text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    PERFORM gantry.require_application_role(target);
    EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', target);
END $body$;

-- Apart from the former, because it must run when nobody can log in any more, which is after a commit.
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
GRANT USAGE ON SCHEMA gantry TO gantry_rotator;
GRANT EXECUTE ON FUNCTION gantry.admit(text, text), gantry.retire(text), gantry.end_sessions(text)
    TO gantry_rotator;
